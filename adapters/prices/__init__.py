"""List prices as data."""
