"""What a held proposal waits for: the key that its guardrail names, and by which who frees it finds whom to wake.

The key of a lease is the serialisation domain (`contracts/action.py`); a guardrail of one's own names its own.
"""

from __future__ import annotations

HALT, BREAKER, RATE, WINDOW = "halt:", "breaker:", "rate:", "window:"
"""What a key begins with."""
FREE_AT = "free_at"
"""Fact of a hold that ends by itself: the proposal is woken then. Passes and pages read it as a moment."""


def on_halt(halt_id: str) -> str:
    """Return the key of what waits for the end of a halt."""
    return f"{HALT}{halt_id}"


def on_breaker(breaker_id: str) -> str:
    """Return the key of what waits for a circuit breaker."""
    return f"{BREAKER}{breaker_id}"


def on_rate(key: str) -> str:
    """Return the key of what waits for a token of a bucket, or for the rest of a target."""
    return f"{RATE}{key}"


def on_window(name: str) -> str:
    """Return the key of what waits for a change window."""
    return f"{WINDOW}{name}"
