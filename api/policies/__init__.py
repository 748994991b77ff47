"""GUARDRAILS, told to people: which policies are in force."""
