"""OPERATIONS: see, stop and let go on. Halts, circuit breakers, budgets and the fleet, as pages."""
