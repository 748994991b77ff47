"""GUARDRAILS, beside the path: what passes were judged by, for a replay under other rules; and the policy in shadow."""
