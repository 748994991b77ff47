"""Numbers about Sluice, each reproducible by one make target."""
