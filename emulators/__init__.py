"""Stand-ins for providers, speaking their wire protocols. For practice, tests and proofs; never for production."""
