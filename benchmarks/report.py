"""What a benchmark says at its end: figures against their targets, and charts of what was measured in each round.

The base is the report of a proof: a question, figures in words, and the command that measures them again. A target
that was missed is a figure that does not hold; it is published like every other.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from benchmarks.floor.calm import UNREST
from proofs import report as proof
from proofs.report import Figure, Report, Words, at_most, exactly, say, told

__all__ = [
    "WORDS",
    "Bar",
    "Chart",
    "Figure",
    "Result",
    "Spread",
    "Timed",
    "arguments",
    "at_most",
    "conclude",
    "exactly",
    "percentile",
    "say",
    "spread_at_least",
    "spread_at_most",
    "tails",
    "timed_at_most",
    "told",
    "up_to_p99",
]

WORDS = Words("benchmark", "question", "targets kept", "A TARGET IS MISSED")


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds measured of one thing."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def text(self, unit: str = "") -> str:
        """Return `median (least to most)`; one round has no range."""
        middle = f"{self.median:,.3g}{unit}" if self.median < 1_000 else f"{self.median:,.0f}{unit}"
        if self.rounds == 1:
            return middle
        return f"{middle} ({self.least:,.3g} to {self.most:,.3g})"


@dataclass(frozen=True, slots=True)
class Timed(Figure):
    """A figure in which the machine and what else runs there have a say: a short run tells it and judges nothing."""


def timed_at_most(name: str, value: float, wanted: float, unit: str) -> Figure:
    """Return a measured time, or a ratio of times, with an upper bound; `unit` follows both numbers."""
    return Timed(name, f"{value:,.4g}{unit}", f"at most {wanted:,g}{unit}", value <= wanted)


def spread_at_most(name: str, found: Spread, wanted: float, unit: str = "") -> Figure:
    """Return what several rounds measured; the median has an upper bound."""
    return Timed(name, found.text(unit), f"at most {wanted:g}{unit}", found.median <= wanted)


def spread_at_least(name: str, found: Spread, wanted: float, unit: str = "") -> Figure:
    """Return what several rounds measured; the median has a lower bound."""
    return Timed(name, found.text(unit), f"at least {wanted:g}{unit}", found.median >= wanted)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart."""

    name: str
    spread: Spread
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the bar is made of, drawn by name; empty: one piece."""
    said: str = ""
    """Stands behind the bar in place of the number."""
    is_wrong: bool = False
    """Drawn in the colour of what must not be."""


def up_to_p99(values: Sequence[float]) -> Spread:
    """Return the median of single values, with a range from the least to the 99th percentile."""
    return Spread(percentile(values, 0.5), min(values), percentile(values, 0.99), len(values))


def tails(values: Sequence[float]) -> str:
    """Return `p50 / p99 (n = …)`."""
    return f"{percentile(values, 0.5):,.0f} / {percentile(values, 0.99):,.0f} (n = {len(values):,})"


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from zero, each with the range of its rounds."""

    name: str
    """Names the file; unique within a benchmark."""
    title: str
    unit: str
    bars: Sequence[Bar]
    target: float | None = None
    """A line across; the title says whether to stay above or below it."""


@dataclass(frozen=True, slots=True)
class Result(Report):
    """The outcome of one run. `promise` asks the question that it answers."""

    charts: Sequence[Chart] = ()
    notes: Sequence[str] = ()
    """Sentences that a reader needs beside the figures: what was shown, and what falls short and why."""

    def short(self) -> Self:
        """Return the result of a short run: what was counted is judged, what was timed is told alone."""
        figures = [told(one.name, one.value) if isinstance(one, Timed) else one for one in self.figures]
        return replace(self, figures=figures)


def arguments(description: str | None, quick: str) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark takes; `quick` says what its short form leaves."""
    parser = proof.arguments(description)
    parser.add_argument("--quick", action="store_true", help=f"{quick}; says nothing about speed")
    return parser


def conclude(found: Result, given: argparse.Namespace) -> int:
    """Print a result, keep it where asked for, and return the exit status: 0 when it met every target it judges."""
    found = replace(found, notes=(*found.notes, *UNREST))
    return proof.conclude(found.short() if given.quick else found, given.report, WORDS)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of all lie (inclusive method). One value is every share of itself."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
