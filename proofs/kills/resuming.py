"""How soon the path goes on after a kill, from the moments at which audit events were written. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

from proofs.kills.killing import Kill


def slowest(
    kills: Sequence[Kill], written: Mapping[str, Sequence[datetime]], ended: Collection[str]
) -> tuple[float, str, list[str]]:
    """Return the longest time in seconds, whose it is, and the faults: what a kill caught and what never went on.

    `kills` and the moments of each subject's events in `written` are in order; `ended` holds the subjects that came to
    their end: one of these that wrote nothing after a kill ended between the last look and the kill. Time counts from
    each kill that caught a subject at its work, until it went on or was caught again and had to begin again. A kill
    that caught others gives it no new time.
    """
    caught, longest, whose, faults = defaultdict(list), 0.0, "", []
    for kill in kills:
        for subject in kill.interrupted:
            caught[subject].append(kill)
    for subject, several in caught.items():
        moments = written.get(subject, ())
        for kill, again in zip_longest(several, several[1:]):
            place = bisect_right(moments, kill.at)
            reached = [*moments[place : place + 1], *([again.at] if again else [])]
            what = f"{subject} at «{kill.interrupted[subject]}»"
            if reached:
                seconds = (min(reached) - kill.at).total_seconds()
                if seconds > longest:
                    longest, whose = seconds, f"{what}, killed at {kill.at}"
            elif subject not in ended:
                faults.append(f"{what} never went on after the kill of {kill.part} at {kill.at}")
    return longest, whose, faults
