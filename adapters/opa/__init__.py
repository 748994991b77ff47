"""Open Policy Agent: the one policy engine."""
