"""No more of what keeps failing."""
