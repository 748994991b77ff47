"""How much changes at once, and whether it can be undone."""
