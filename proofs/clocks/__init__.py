"""Clocks that are wrong, and that jump, in the worker, the API and PostgreSQL."""
