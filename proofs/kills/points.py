"""The named points of the path: where a proposal stands, told from outside by its rows and the provider's log. Pure.

A point lies between two things that can be seen: a commit, a call that was served, a poll. What happens in between is
what a kill at this point interrupts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from emulators.gke.log import ServedCall
from proofs.judgement.effects import CHANGING

STARTING = "worker: started, not ready yet"
FRESH = "worker: ready, has done nothing yet"
RECEIVED = "request: taken, not planned"
PLANNED = "request: being planned"
_RESIZE, _BOUNDS, _BACK = "size", "bounds", "way back"


@dataclass(frozen=True)
class Effect:
    """What the row of an intent says."""

    fence: int
    written_fence: int
    """Of the attempt that wrote it; a lower one than `fence` was taken over by a next attempt."""
    written_at: datetime
    operation: str | None
    has_receipt: bool
    is_settled: bool


@dataclass(frozen=True)
class Standing:
    """What the rows of a proposal say."""

    id: str
    state: str
    since: datetime
    revision: int
    kind: str
    cluster: str
    """`project/location/cluster`."""
    held_on: str | None
    is_told: bool
    """The outbox has nothing for Temporal about it any more."""
    passes: int
    is_admitted: bool
    """By its newest pass."""
    recorded: int
    applied: int
    forward: Effect | None
    back: Effect | None


def _effect_points(what: str) -> tuple[str, ...]:
    return (
        f"{what}: intent written, target not read",
        f"{what}: target read, nothing called",
        f"{what}: call served, answer not recorded",
        f"{what}: left by a dead attempt, nothing called",
        f"{what}: left by a dead attempt, call served",
        f"{what}: withdrawn, nothing called",
        f"{what}: operation known, not polled",
        f"{what}: operation polled",
        f"{what}: operation adopted from a dead attempt",
        f"{what}: receipt written, outcome not read",
        f"{what}: outcome read, not concluded",
    )


FAMILIES = (
    (STARTING, FRESH),
    (RECEIVED, PLANNED),
    (
        "made, Temporal not told",
        "first pass: target not read",
        "first pass: target read, nothing written",
        "first pass after an edit: target not read",
        "first pass after an edit: target read, nothing written",
    ),
    (
        "waits for a person",
        "waits for a person after an edit",
        "a vote recorded, not applied",
        "one of two votes applied",
    ),
    (
        "second pass: target not read",
        "second pass: target read, nothing written",
        "next pass after one that did not admit",
        "held: another change of the cluster",
        "held: a halt",
        "admitted, intent not written",
    ),
    _effect_points(_RESIZE),
    _effect_points(_BOUNDS),
    (f"{_BACK}: decided, intent not written", *_effect_points(_BACK)),
)
"""The points of one part of the path each: its worker, requests, first passes, people, second passes, three effects."""
POINTS = tuple(point for family in FAMILIES for point in family)
"""Every point, in the order of the path."""
WAITING = (
    "made, Temporal not told",
    "waits for a person",
    "waits for a person after an edit",
    "one of two votes applied",
    "held: another change of the cluster",
    "held: a halt",
)
"""Points at which the worker has nothing to do until somebody else does something."""


def point_of(one: Standing, calls: Sequence[ServedCall]) -> str:
    """Return the point a proposal is at. `calls` are those that its cluster was asked, in order."""
    what = _BOUNDS if one.kind.endswith("autoscaling") else _RESIZE
    match one.state:
        case "evaluating":
            return _evaluating(one, calls)
        case "awaiting_approval":
            return _waiting(one)
        case "ready":
            return _ready(one, calls)
        case "executing":
            return _effect(what, one.forward, calls) if one.forward else "admitted, intent not written"
        case "verifying":
            return _verification(what, one.since, calls)
        case _:
            return _way_back(one, calls)


def _evaluating(one: Standing, calls: Sequence[ServedCall]) -> str:
    if not one.is_told and one.revision == 1:
        return "made, Temporal not told"
    name = "first pass" if one.revision == 1 else "first pass after an edit"
    return f"{name}: {'target read, nothing written' if _read(calls, one.since) else 'target not read'}"


def _waiting(one: Standing) -> str:
    if one.recorded:
        return "a vote recorded, not applied"
    if one.applied:
        return "one of two votes applied"
    return "waits for a person" if one.revision == 1 else "waits for a person after an edit"


def _ready(one: Standing, calls: Sequence[ServedCall]) -> str:
    if one.held_on is not None:
        return "held: a halt" if one.held_on.startswith("halt") else "held: another change of the cluster"
    if one.is_admitted:
        return "admitted, intent not written"
    if one.passes > 1:
        return "next pass after one that did not admit"
    return f"second pass: {'target read, nothing written' if _read(calls, one.since) else 'target not read'}"


def _way_back(one: Standing, calls: Sequence[ServedCall]) -> str:
    if one.back is None:
        return f"{_BACK}: decided, intent not written"
    if one.back.has_receipt:
        settled = [call.ts for call in calls if call.method in CHANGING and call.accepted]
        return _verification(_BACK, settled[-1] if settled else one.since, calls)
    return _effect(_BACK, one.back, calls)


def _verification(what: str, since: datetime, calls: Sequence[ServedCall]) -> str:
    return f"{what}: {'outcome read, not concluded' if _read(calls, since) else 'receipt written, outcome not read'}"


def _effect(what: str, effect: Effect, calls: Sequence[ServedCall]) -> str:
    if effect.is_settled:
        return f"{what}: withdrawn, nothing called"
    is_left = effect.fence > effect.written_fence
    if effect.operation is not None:
        if is_left:
            return f"{what}: operation adopted from a dead attempt"
        is_polled = any(call.method == "GetOperation" for call in calls if call.ts >= effect.written_at)
        return f"{what}: {'operation polled' if is_polled else 'operation known, not polled'}"
    is_called = any(call.method in CHANGING for call in calls if call.ts >= effect.written_at)
    if is_left:
        return f"{what}: left by a dead attempt, {'call served' if is_called else 'nothing called'}"
    if is_called:
        return f"{what}: call served, answer not recorded"
    is_read = _read(calls, effect.written_at)
    return f"{what}: {'target read, nothing called' if is_read else 'intent written, target not read'}"


def _read(calls: Sequence[ServedCall], since: datetime) -> bool:
    return any(call.method == "GetNodePool" and call.ts >= since for call in calls)
