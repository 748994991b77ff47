"""Temporal, from the outside: the connection, starting and messaging workflows, search attributes."""
