"""Change windows."""
