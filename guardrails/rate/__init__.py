"""Not too often, not too soon."""
