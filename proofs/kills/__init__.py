"""Real processes that are killed under load: the worker at named points of the path, Temporal, PostgreSQL, the API."""
