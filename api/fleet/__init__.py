"""The fleet as people see it: every registered node pool with its size, bounds and pending change."""
