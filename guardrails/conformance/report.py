"""CONFORMANCE: what the kit found, in words that a failing test can print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Quality(StrEnum):
    """What a guard pass relies on."""

    PURE = "pure"
    """Same facts, same verdict; the facts stay as they were; nothing outside is read, written or asked."""
    FAIL_CLOSED = "fail_closed"
    """A fact less is never a laxer outcome."""
    IDEMPOTENT = "idempotent"
    """Admitting a second time gives the same outcome."""
    SOUND = "sound"
    """A verdict that holds what its outcome needs, and can be stored, signed and shown."""
    FAST = "fast"
    """Within the budget of processor time."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that a guardrail does not keep."""

    quality: Quality
    sample: str
    """Name of the facts that showed it."""
    message: str

    def __str__(self) -> str:
        return f"{self.quality.value}: over {self.sample!r}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """What one guardrail keeps."""

    guardrail: str
    flaws: tuple[Flaw, ...]
    latency: timedelta | None
    """Processor time of one answer: the median over many, of the slowest sample. None: it reaches outside, so it was
    not run without a watch."""
    budget: timedelta

    @property
    def is_sound(self) -> bool:
        """Whether it keeps everything."""
        return not self.flaws

    def __str__(self) -> str:
        took = (
            "time not measured"
            if self.latency is None
            else f"{_micro(self.latency)} of {_micro(self.budget)}"
        )
        head = (
            f"{self.guardrail}: {len(self.flaws) or 'no'} flaw{'' if len(self.flaws) == 1 else 's'}, {took}"
        )
        return "\n".join([head, *map(str, self.flaws)])


def _micro(span: timedelta) -> str:
    return f"{span / timedelta(microseconds=1):.0f} µs"
