"""AUDIT, live: what happens, line by line."""
