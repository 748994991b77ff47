"""GUARDRAILS, beside the path: how a candidate policy in shadow would have decided."""
