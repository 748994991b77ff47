"""GUARDRAIL rate: whether a change grows its target or shrinks it, and whether a person named it."""

from __future__ import annotations

from contracts.principal import PrincipalKind
from contracts.proposal import Draft, PlannerKind
from contracts.request import Channel
from guardrails.change import change_of
from guardrails.facts import Facts

_BY_MACHINES = (Channel.EVENT, Channel.SCHEDULE)


def direction_of(facts: Facts) -> int | None:
    """Return 1 when the change grows its target, -1 when it shrinks it, 0 when neither; None: nobody knows."""
    if facts.observation is None or not facts.observation.zones:
        return None
    delta = change_of(facts.draft.action, facts.observation).delta
    return (delta > 0) - (delta < 0)


def is_named_by_person(draft: Draft) -> bool:
    """Tell whether a person said what to set: themselves, or in a phrase that no model had to interpret."""
    return (
        draft.requester.kind is PrincipalKind.HUMAN
        and draft.channel not in _BY_MACHINES
        and draft.planner.kind is not PlannerKind.OPENAI
    )
