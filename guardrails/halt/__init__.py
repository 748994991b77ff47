"""Kill switches."""
