"""PostgreSQL: the tables, and one module of plain functions per noun, each taking an open connection."""
