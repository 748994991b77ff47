"""How often each kind of stage is tried again. Every policy of the workflows stands here.

Attempts are not counted: a stage that cannot reach the database or the provider goes on when they answer again. Our
errors say themselves whether another attempt can help (`activities/errors.py` makes the others non-retryable).
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import RetryPolicy

RECORD = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=10),
)
"""Local activities that only write to our database."""

GUARD = RetryPolicy(
    initial_interval=timedelta(milliseconds=500),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=15),
)
"""Guard passes: they ask OPA and read the provider once, too."""

EFFECTS = RetryPolicy(
    initial_interval=timedelta(milliseconds=500),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=10),
)
"""Execution and verification. Each attempt reads before it acts, so a repeat is safe.

A worker that dies counts as a failed attempt, too: a long pause would be waited out by an effect that was met often.
"""

ONCE = RetryPolicy(maximum_attempts=1)
"""What a schedule repeats anyway."""
