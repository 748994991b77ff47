"""GUARDRAIL rate: up, down, up on one target. Each change may be right by itself; together a person must look."""

from __future__ import annotations

from itertools import pairwise

from pydantic import JsonValue

from guardrails.facts import Facts, PastChange

_WORDS = {1: "up", -1: "down"}


def oscillates(facts: Facts, direction: int | None) -> bool:
    """Tell whether this change is the turn that makes too many. A direction that nobody knows counts as a turn."""
    limit, recent = facts.limits.oscillation, _recent(facts)
    if not recent or direction == 0 or direction == recent[0].direction:
        return False
    turns = sum(one.direction != other.direction for one, other in pairwise(recent))
    return turns + 1 >= limit.turns


def history_of(facts: Facts) -> list[JsonValue]:
    """Return the changes that count, oldest first, for a person."""
    return [
        {"direction": _WORDS[change.direction], "at": change.at.isoformat()}
        for change in reversed(_recent(facts))
    ]


def _recent(facts: Facts) -> list[PastChange]:
    since = facts.now - facts.limits.oscillation.window
    return [change for change in facts.past_changes if change.direction and change.at > since]
