"""Refusals now and then, which open no breaker: how many calls changes take then.

Under a storm the breakers hold nearly every change, and there is little to try again. Here only the call that changes
something is refused, once in a while, with 429 and 503 in turn, and the limits of the breakers are those that ship.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from proofs.error_storms.course import EFFECT, SETTLES_WITHIN, Refusal, is_at_rest, steadily
from proofs.error_storms.judging import MOST_AMPLIFIED
from proofs.report import Figure, at_least, at_most, exactly
from tests.e2e.practice_ground import DEVELOPMENT
from tests.e2e.stack import Stack, eventually

CHANGES = 60
PER_SECOND = 1.0
ONE_OF = 12
"""Of so many calls one is refused: all of them together are fewer than what opens a breaker."""
_MOVES = "SELECT leaf FROM audit_events WHERE type = 'breaker.moved'"
_SUCCEEDED = "SELECT count(*) FROM proposals WHERE state = 'succeeded'"


@dataclass(frozen=True, slots=True)
class Retried:
    """What changes came to, and what they took."""

    changes: int
    """Asked for, one after the other."""
    succeeded: int
    calls: int
    """Of the one that changes something, in the provider's log."""
    refused: Counter[str]
    """Refusal → calls."""
    openings: int
    """Times that a breaker opened."""

    @property
    def amplification(self) -> float:
        """Calls for each change."""
        return self.calls / self.changes

    def figures(self) -> Iterable[Figure]:
        """Return what is promised of it, and that it shows anything."""
        for kind in Refusal:
            yield at_least(f"effects refused now and then with {kind}", self.refused[kind], 1)
        yield at_most("calls for each of these changes", self.amplification, MOST_AMPLIFIED)
        yield exactly("of them, succeeded", self.succeeded, self.changes)
        yield exactly("breakers that opened meanwhile", self.openings, 0)


async def now_and_then(stack: Stack) -> Retried:
    """Ask for changes at an even pace, refuse one of so many calls, and wait until all is at rest."""
    # A planned refusal counts only the calls that those before it let pass.
    planned = list(zip(range(CHANGES // ONE_OF), itertools.cycle(Refusal), strict=False))
    for place, kind in planned:
        skip = ONE_OF // 2 + place * (ONE_OF - 1)
        await stack.admin.add_fault(EFFECT, kind.fault, times=1, skip=skip)

    async def propose() -> None:
        await stack.propose(stack.place(DEVELOPMENT).resize(2))

    await steadily(propose, PER_SECOND, CHANGES / PER_SECOND)
    await eventually(lambda: is_at_rest(stack), limit=SETTLES_WITHIN, pause=1)
    calls = [call for call in stack.emulator.calls() if call.method == EFFECT]
    moves = [json.loads(leaf) for (leaf,) in await stack.rows(_MOVES)]
    return Retried(
        changes=CHANGES,
        succeeded=(await stack.rows(_SUCCEEDED))[0][0],
        calls=len(calls),
        refused=Counter(_kind_of(call.fault) for call in calls if call.fault),
        openings=sum(one["payload"]["to"] == "open" for one in moves),
    )


def _kind_of(fault: str) -> str:
    return next(str(one) for one in Refusal if one.fault == fault)
