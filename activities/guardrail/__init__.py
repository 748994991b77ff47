"""PROPOSAL → VERDICT: a guard pass, as a local activity."""
