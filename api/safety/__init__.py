"""What stops effects, over HTTP: halts, circuit breakers, budgets."""
