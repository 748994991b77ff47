"""What a proof says at its end: figures against what was promised, faults that replay, and its command.

Judged by the emulator's own log and by the database; a proof never asks the service whether the service is right.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that was counted or measured, and what the promise wants of it, both in words for a table."""

    name: str
    value: str
    wanted: str
    """For example `0`, `at least 50,000`, `at most 1.1`. Empty: told, and nothing is asked of it."""
    holds: bool = True


def exactly(name: str, value: int, wanted: int) -> Figure:
    """Return a figure that must be one number."""
    return Figure(name, f"{value:,}", f"{wanted:,}", value == wanted)


def at_least(name: str, value: int, wanted: int) -> Figure:
    """Return a figure with a lower bound."""
    return Figure(name, f"{value:,}", f"at least {wanted:,}", value >= wanted)


def at_most(name: str, value: float, wanted: float, unit: str = "") -> Figure:
    """Return a figure with an upper bound; `unit` follows both numbers."""
    return Figure(name, f"{value:,.4g}{unit}", f"at most {wanted:,g}{unit}", value <= wanted)


def told(name: str, value: object) -> Figure:
    """Return a figure that nothing is asked of."""
    return Figure(name, f"{value:,}" if isinstance(value, int) else str(value), "")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one run."""

    promise: str
    """One sentence; names its invariants, for example `(I1, I3)`."""
    figures: Sequence[Figure]
    faults: Sequence[str] = ()
    """What is not as it must be; each names the seed or the steps that replay it."""
    again: str = ""
    """The command that repeats this very run."""
    ended_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the promise was kept. A report without a figure shows nothing, and does not hold."""
        return bool(self.figures) and not self.faults and all(one.holds for one in self.figures)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return asdict(self) | {"holds": self.holds}


@dataclass(frozen=True, slots=True)
class Words:
    """What those who read of a run call it, and what came of it."""

    one: str
    asked: str
    kept: str
    broken: str


PROOF = Words("proof", "promise", "holds", "DOES NOT HOLD")


class Stopwatch:
    """Progress of a long run on standard output: at most a line every few seconds, with what is done of how much."""

    def __init__(self, total: int, what: str, every: float = 10.0) -> None:
        """Start now. `what` names the things that are counted, for example `rounds`."""
        self._total, self._what, self._every = total, what, every
        self._began = self._last = time.monotonic()

    def at(self, done: int) -> None:
        """Say how far the run is, when it is time to or when it is over."""
        now = time.monotonic()
        if now - self._last < self._every and done != self._total:
            return
        self._last = now
        say(f"{done:,} of {self._total:,} {self._what} after {now - self._began:.0f} s")

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began


def say(text: str) -> None:
    """Write a line of progress at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def end_as_by_keyboard() -> None:
    """Have SIGTERM end this program as Ctrl-C does: what it has under way is ended, too.

    An event loop cancels its work then. An error raised wherever it happens to be could be lost, or leave the loop
    waiting for what it was at. Only the first SIGTERM counts: `timeout` sends two.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the one that asyncio replaces by its own
    signal.signal(signal.SIGTERM, _end)


def _end(_: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)
    interrupt = signal.getsignal(signal.SIGINT)
    if callable(interrupt):
        interrupt(signal.SIGINT, frame)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every proof takes; `description` is the module's docstring.

    SIGTERM then ends the process as Ctrl-C does: what it has started is stopped.
    """
    end_as_by_keyboard()
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the outcome there, as JSON")
    return parser


def conclude(report: Report, file: Path | None = None, words: Words = PROOF) -> int:
    """Print a report, keep it as JSON where asked for, and return the exit status: 0 when the promise was kept."""
    width = max((len(one.name) for one in report.figures), default=0)
    say(f"\n{report.promise}")
    for one in report.figures:
        wanted = f"   (wanted: {one.wanted})" if one.wanted else ""
        say(f"  {'  ' if one.holds else '! '}{one.name:<{width}}  {one.value}{wanted}")
    for fault in report.faults:
        say(f"  FAULT {fault}")
    outcome = words.kept if report.holds else words.broken
    say(f"{outcome} after {report.seconds:.0f} s; again: {report.again}")
    if file is not None:
        file.write_text(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if report.holds else 1
