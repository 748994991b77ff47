"""Proof that the tests guard the guards: each check removed or inverted by itself, and a test must go red."""
