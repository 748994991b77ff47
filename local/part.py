"""Local stack: what the supervisor needs to know about one process. Data and two small policies, no I/O."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from local.bound import Account

Probe = Callable[[], Awaitable[bool]]
Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a part that dies comes back: exponential back-off, forgotten after a calm time."""

    first_delay: timedelta = timedelta(milliseconds=200)
    longest_delay: timedelta = timedelta(seconds=30)
    calm: timedelta = timedelta(seconds=60)
    """Running this long, the part counts as well again."""
    first_start_attempts: int = 4
    """So often it may fail before it has ever been ready. Then the whole start fails."""

    def delay(self, failures: int) -> timedelta:
        """Wait before the next start, after so many failures in a row (≥ 1)."""
        factor = 1 << min(failures - 1, 16)
        return min(self.first_delay * factor, self.longest_delay)


@dataclass(frozen=True, slots=True)
class Part:
    """A long-running process of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it: nothing else is inherited."""
    is_ready: Probe
    prepare: Step | None = None
    """Runs before every start, also before a restart."""
    settle: Step | None = None
    """Runs once it is ready, before anything that comes after it starts. Must be repeatable."""
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What it gets when the supervisor dies."""
    grace: timedelta = timedelta(seconds=10)
    """Between the stop signal and SIGKILL."""
    start_limit: timedelta = timedelta(seconds=60)
    restart: RestartPolicy = field(default_factory=RestartPolicy)


@dataclass(frozen=True, slots=True)
class OneShot:
    """A command that must succeed before the next group starts."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    limit: timedelta = timedelta(seconds=120)


Group = tuple[Part | OneShot, ...]
"""Steps that start side by side. Groups start one after the other and stop in the reverse order."""
