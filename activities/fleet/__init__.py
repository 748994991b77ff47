"""Looks at the registered node pools, so that people see the fleet. Beside the path: it decides nothing."""
