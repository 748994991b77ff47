"""Which calls race for one proposal, drawn from the seed, the number of the race and how the proposal stands.

The calls and the moments they are meant to start at replay; how the machine interleaves them does not.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from contracts.base import Contract
from contracts.proposal import ProposalState

PROCESSES = 2
"""The effects run in the first one; everything else runs in any."""
FIRST_SIZE = 3
LONGEST = 8
"""Rounds that are drawn; then two people cancel what is still open."""
_SPREAD = 0.012
"""Seconds within which the calls of a round are meant to start: about as long as one takes."""
_S = ProposalState


class Kind(StrEnum):
    """What somebody or something does to a proposal."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGE = "request_change"
    WITHDRAW = "withdraw"
    EDIT = "edit"
    CANCEL = "cancel"
    EXPIRE = "expire"
    """The workflow's timer fires."""
    SWEEP = "sweep"
    """Housekeeping closes what is overdue."""
    DELIVER = "deliver"
    """The dispatcher delivers every stored decision once more."""
    CHECK = "check"
    EXECUTE = "execute"
    """Second pass, effect and verification, as far as the proposal lets them."""


DECISIONS = frozenset({Kind.APPROVE, Kind.REJECT, Kind.REQUEST_CHANGE, Kind.WITHDRAW})


class Hearing(StrEnum):
    """What becomes of the hand-over of a decision to its workflow."""

    WELL = "well"
    LOST = "lost"
    """It never comes there."""
    UNANSWERED = "unanswered"
    """It is taken, and the answer is lost."""


class Call(Contract):
    """One contender."""

    kind: Kind
    process: int
    after: float
    """Seconds from the start of the round."""
    who: str = ""
    node_count: int = 0
    hearing: Hearing = Hearing.WELL


class Round(Contract):
    """Calls that race for one proposal. `revision` and `digest` are what everybody has seen."""

    number: int
    """Of the proposal."""
    round: int
    proposal_id: str
    revision: int
    digest: str | None
    calls: tuple[Call, ...]


def chance_of(*names: object) -> random.Random:
    """Return a source of chance that is the same at each replay."""
    return random.Random("/".join(map(str, names)))  # noqa: S311  no secret


def draw(chance: random.Random, state: ProposalState, number: int) -> tuple[Call, ...]:
    """Return the calls of one round; `number` counts the rounds of the proposal from 0."""
    if number >= LONGEST:
        return _apart(chance, [_person(chance, Kind.CANCEL, "olga") for _ in range(PROCESSES)])
    match state:
        case _S.EVALUATING:
            calls = [_call(chance, Kind.CHECK) for _ in range(PROCESSES)]
            calls += _some(chance, {Kind.CANCEL: 0.03, Kind.DELIVER: 0.1, Kind.EXPIRE: 0.03})
        case _S.AWAITING_APPROVAL:
            calls = _melee(chance)
        case _:
            calls = [_call(chance, Kind.EXECUTE).model_copy(update={"process": 0}) for _ in range(PROCESSES)]
            late = {
                Kind.CANCEL: 0.25, Kind.WITHDRAW: 0.15, Kind.EDIT: 0.15, Kind.REJECT: 0.15,
                Kind.EXPIRE: 0.15, Kind.DELIVER: 0.3,
            }  # fmt: skip
            calls += _some(chance, late)
    return _apart(chance, calls)


_MELEE: Mapping[Kind, int] = MappingProxyType(
    {
        Kind.APPROVE: 60, Kind.WITHDRAW: 7, Kind.EDIT: 7, Kind.CANCEL: 2, Kind.EXPIRE: 2, Kind.REJECT: 2,
        Kind.REQUEST_CHANGE: 4, Kind.DELIVER: 7, Kind.SWEEP: 1,
    }
)  # fmt: skip
_VOTERS = ("ben", "carla", "dan", "olga", "ben", "carla", "ana")
"""Two of them act more often, so that one person meets themselves; ana asked for it and may not vote."""
_EDITORS = ("ana", "ben", "olga")


def _melee(chance: random.Random) -> list[Call]:
    count = chance.choice((2, 3, 3, 4, 4, 5))
    kinds = chance.choices(tuple(_MELEE), tuple(_MELEE.values()), k=count)
    return [_call(chance, kind) for kind in kinds]


def _some(chance: random.Random, shares: Mapping[Kind, float]) -> list[Call]:
    return [_call(chance, kind) for kind, share in shares.items() if chance.random() < share]


def _call(chance: random.Random, kind: Kind) -> Call:
    if kind in DECISIONS:
        heard = chance.choices(tuple(Hearing), (80, 10, 10))[0]
        return _person(chance, kind, chance.choice(_VOTERS)).model_copy(update={"hearing": heard})
    if kind is Kind.EDIT:
        size = chance.choice((FIRST_SIZE + 1, FIRST_SIZE + 2, FIRST_SIZE + 3))
        return _person(chance, kind, chance.choice(_EDITORS)).model_copy(update={"node_count": size})
    return _person(chance, kind, chance.choice(("ana", "olga")) if kind is Kind.CANCEL else "")


def _person(chance: random.Random, kind: Kind, who: str) -> Call:
    return Call(
        kind=kind, who=who, process=chance.randrange(PROCESSES), after=round(chance.random() * _SPREAD, 4)
    )


def _apart(chance: random.Random, calls: Sequence[Call]) -> tuple[Call, ...]:
    """Let not all of them come from one process, where one of them may come from another."""
    free = [place for place, one in enumerate(calls) if one.kind is not Kind.EXECUTE]
    moved = list(calls)
    if free and len({one.process for one in calls}) == 1:
        place = chance.choice(free)
        there = (calls[place].process + 1) % PROCESSES
        moved[place] = calls[place].model_copy(update={"process": there})
    return tuple(moved)
