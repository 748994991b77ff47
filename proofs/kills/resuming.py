"""How soon the path goes on after a kill, from the moments at which audit events were written. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from proofs.kills.killing import Kill

WAITING = (
    "made, Temporal not told",
    "waits for a person",
    "waits for a person after an edit",
    "one of two votes applied",
    "held: another change of the cluster",
    "held: a halt",
)
"""Points at which the worker has nothing to do until somebody else does something."""


def caught_at_work(kills: Sequence[Kill]) -> int:
    """Count what the kills interrupted, without what waited for somebody else: only that can go on late."""
    return sum(point not in WAITING for kill in kills for point in kill.caught.values())


def slowest(
    kills: Sequence[Kill], written: Mapping[str, Sequence[datetime]], ended: Collection[str]
) -> tuple[float, str, list[str]]:
    """Return the longest time in seconds, whose it is, and the faults: what a kill caught and what never went on.

    `written` holds the moments of each subject's events in order, `ended` the subjects that came to their end: one of
    these that wrote nothing after a kill ended between the last look and the kill. Time counts from the last kill
    before a subject went on: one that was killed again meanwhile had to begin again.
    """
    deaths, longest, whose, faults = sorted(one.at for one in kills), 0.0, "", []
    for kill in kills:
        for subject, point in kill.caught.items():
            moments = written.get(subject, ())
            if point in WAITING:
                continue
            place = bisect_right(moments, kill.at)
            if place == len(moments) and subject in ended:
                continue
            if place == len(moments):
                faults.append(
                    f"{subject} at «{point}» never went on after the kill of {kill.part} at {kill.at}"
                )
                continue
            went_on = moments[place]
            last = deaths[bisect_right(deaths, went_on) - 1]
            seconds = (went_on - last).total_seconds()
            if seconds > longest:
                longest, whose = seconds, f"{subject} at «{point}», killed at {last}"
    return longest, whose, faults
