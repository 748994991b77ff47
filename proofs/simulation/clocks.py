"""Clocks of the simulated processes: each is off by something, and at some moment by something else."""

from __future__ import annotations

import random
import zlib
from datetime import timedelta

_PROCESSES = 3
_OFF = tuple(
    timedelta(seconds=sign * seconds) for seconds in (0, 1, 90, 600, 3_600, 86_400) for sign in (1, -1)
)
_JUMPS_WITHIN = 900.0
"""Seconds."""


class WrongClocks:
    """What a process takes for the present. The database's clock and Temporal's are right."""

    def __init__(self, seed: int) -> None:
        """Draw the clocks, from a source of its own: nothing else that a seed draws depends on them."""
        chance = random.Random(f"clocks {seed}")  # noqa: S311  a seed that replays, no secret
        self._clocks = [
            (chance.choice(_OFF), chance.choice(_OFF), timedelta(seconds=chance.random() * _JUMPS_WITHIN))
            for _ in range(_PROCESSES)
        ]

    def ahead(self, who: str, after: timedelta) -> timedelta:
        """Return by how much a clock is ahead in the process that somebody runs in, so long after the beginning."""
        first, second, jumps_after = self._clocks[zlib.crc32(who.encode()) % _PROCESSES]
        return first if after < jumps_after else second
