"""What the dispatcher knows of a delivery: how to make it, and how long to wait before the next attempt."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from adapters.store.outbox_queue import OutboxRow
from contracts.errors import SluiceError

Delivery = Callable[[OutboxRow], Awaitable[None]]
"""Delivers one row, or raises a `SluiceError`: then it is tried again. It may be called twice for one row."""

_random = secrets.SystemRandom()


class DeliveryFailed(SluiceError):
    """An attempt came to nothing; another may not. `code` is kept with the row and holds no secret."""

    reason_code = "delivery_failed"
    retryable = True

    def __init__(self, code: str) -> None:
        """Keep a stable code, for example `http_503`."""
        super().__init__(code)
        self.code = code


class Undeliverable(DeliveryFailed):
    """No attempt will ever succeed."""

    reason_code = "undeliverable"
    retryable = False


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts, growing by a factor up to a longest one, each cut by up to a half at random."""

    first: timedelta
    longest: timedelta
    factor: float = 2.0
    attempts: int | None = None
    """After this many the row is given up; None = never."""

    def after(self, attempts: int) -> timedelta | None:
        """Return how long to wait after this many failed attempts; None = give up."""
        if self.attempts is not None and attempts >= self.attempts:
            return None
        exponent = min(attempts - 1, 32)
        full = min(self.first.total_seconds() * self.factor**exponent, self.longest.total_seconds())
        return timedelta(seconds=full * _random.uniform(0.5, 1.0))


TO_TEMPORAL = Backoff(first=timedelta(seconds=0.5), longest=timedelta(seconds=15))
"""Never given up: what was promised with 2xx is delivered once Temporal is back."""
TO_WEBHOOKS = Backoff(first=timedelta(seconds=5), longest=timedelta(hours=1), factor=4, attempts=10)
"""Two to four and a half hours."""
