"""EXECUTION: exactly one effect, written ahead, fenced, read before it is repeated."""
