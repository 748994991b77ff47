"""GUARDRAIL rate, the arithmetic of a token bucket. Pure, in whole numbers: nothing is ever rounded in or out.

A bucket is kept as what it lacks to be full. So one that nobody used needs no row, and a limit that an operator
changes holds at once. A clock that goes backwards brings no token, and takes none away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.configuration import RateLimit

TOKEN = 3_600_000_000
"""One token. A rate of one an hour brings one unit per microsecond."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What lacked at `as_of`, in units of `TOKEN`. None: it was never used, and is full."""

    deficit: int = 0
    as_of: datetime | None = None

    def deficit_at(self, now: datetime, limit: RateLimit) -> int:
        """Return what lacks now."""
        if self.as_of is None:
            return 0
        passed = max((now - self.as_of) // _MICROSECOND, 0)
        return max(self.deficit - passed * limit.per_hour, 0)

    def tokens(self, now: datetime, limit: RateLimit) -> int:
        """Return how many whole tokens there are now, from 0 to the capacity."""
        return max((limit.capacity * TOKEN - self.deficit_at(now, limit)) // TOKEN, 0)

    def turn_of(self, taker: int, now: datetime, limit: RateLimit) -> datetime | None:
        """Return when the nth taker from now gets its token, first = 1: `now` or later, None when never.

        Each is taken to take as soon as it can.
        """
        if limit.capacity == 0:
            return None
        lacking = self.deficit_at(now, limit) + (taker - limit.capacity) * TOKEN
        if lacking <= 0:
            return now
        if limit.per_hour == 0:
            return None
        since = max(now, self.as_of or now)
        return since + timedelta(microseconds=-(-lacking // limit.per_hour))

    def take(self, now: datetime, limit: RateLimit) -> Bucket:
        """Return the bucket without one token."""
        since = max(now, self.as_of or now)
        return Bucket(self.deficit_at(now, limit) + TOKEN, since)
