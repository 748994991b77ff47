"""Alembic's side of the tables: `env.py` runs the revisions under `versions/` on a connection it is given."""
