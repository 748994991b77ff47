"""What makes a person necessary."""
