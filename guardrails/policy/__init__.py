"""OPA's answer."""
