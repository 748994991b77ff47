"""Judges what arrived while an endpoint refused everything, and how its recovery looked. Pure: moments in, faults out.

Amplification is what arrived during the storm for each call that the same demand takes in calm times; what was held
back counts as demand. A herd is more than twice the steady rate within any window after the storm; where not a
quarter of that rate comes in any, nothing has come back that could be one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

MOST_AMPLIFIED = 1.1
LARGEST_PEAK = 2.0
LEAST_PEAK = 0.25
WINDOW = 15.0
"""Seconds over which a rate is taken: less than one change begins in a second, and each makes a burst of calls."""
_STEP = 0.5


@dataclass(frozen=True, slots=True)
class Phases:
    """Moments of one run, in seconds since its start."""

    calm_from: float
    """From here on the demand is steady."""
    storm_from: float
    storm_to: float
    demand_to: float
    """Nothing is asked for from here on."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What arrived at one endpoint."""

    steady: float
    """Calls in a second of calm."""
    amplification: float
    peak: float
    """Largest rate after the storm, in steady rates."""
    in_storm: int

    @property
    def in_peak(self) -> int:
        """Calls in the busiest window after the storm."""
        return round(self.peak * self.steady * WINDOW)

    @property
    def least_in_peak(self) -> int:
        """The fewest that show that the endpoint is asked again."""
        return ceil(LEAST_PEAK * self.steady * WINDOW)

    def faults(self, name: str) -> list[str]:
        """Return what is not as promised."""
        found = []
        if self.amplification > MOST_AMPLIFIED:
            found.append(
                f"{name} got {self.amplification:.2f} times the calls of calm times while it refused"
            )
        if self.peak > LARGEST_PEAK:
            found.append(f"{name} got {self.peak:.2f} times the steady rate after the storm")
        if self.in_peak < self.least_in_peak:
            found.append(f"{name} got {self.in_peak} calls in the busiest {WINDOW:g} s after the storm")
        return found


def weather(arrived: Sequence[float], phases: Phases) -> Weather:
    """Return what the moments of the calls to one endpoint say. `arrived` is in order.

    Raises:
        ValueError: nothing arrived in calm times, so there is nothing to compare with.
    """
    calm = _between(arrived, phases.calm_from, phases.storm_from)
    if not calm:
        raise ValueError("nothing arrived before the storm")
    steady = calm / (phases.storm_from - phases.calm_from)
    in_storm = _between(arrived, phases.storm_from, phases.storm_to)
    last = arrived[-1]
    peaks, at = [0.0], phases.storm_to
    while at <= last:
        peaks.append(_between(arrived, at, at + WINDOW) / WINDOW)
        at += _STEP
    return Weather(
        steady=steady,
        amplification=in_storm / (steady * (phases.storm_to - phases.storm_from)),
        peak=max(peaks) / steady,
        in_storm=in_storm,
    )


def impatient(attempts: Mapping[str, Sequence[tuple[float, bool]]], retry_after: float) -> list[str]:
    """Return calls that came sooner than they were told to. `attempts`: subject → moments, and whether refused."""
    return [
        f"{subject} was asked for again after {later - earlier:.2f} s instead of {retry_after:g} s"
        for subject, made in attempts.items()
        for (earlier, refused), (later, _) in pairwise(made)
        if refused and later - earlier < retry_after
    ]


def _between(moments: Sequence[float], start: float, end: float) -> int:
    return bisect_left(moments, end) - bisect_left(moments, start)
