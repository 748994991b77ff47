"""PROPOSAL → VERDICT: pure functions from facts to verdicts, and the one that combines them."""
