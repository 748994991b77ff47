"""The proposal page: ten facts, a decision, and what came of it."""
