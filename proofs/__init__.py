"""Fault injection and races that prove the invariants of the design, judged by the database and the provider's log."""
