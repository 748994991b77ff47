"""Money left in every budget that covers the change."""
