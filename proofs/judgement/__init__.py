"""Judges of the invariants, used by several proofs: they read the provider's log and the database, nothing else."""
