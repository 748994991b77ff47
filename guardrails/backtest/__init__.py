"""GUARDRAILS, replayed: recorded passes under a candidate policy or configuration. Pure, like the guardrails."""
