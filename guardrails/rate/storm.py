"""GUARDRAIL rate: too much at once over the fleet, by one agent or in one environment. Whoever finds it halts it."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.safety import HaltScope
from guardrails.facts import Facts

_ASKS = "; a person must look at it and end this halt."


@dataclass(frozen=True, slots=True)
class FoundStorm:
    """What is to be halted, and why in words."""

    scope: HaltScope
    reason: str


def storm_in(facts: Facts) -> FoundStorm | None:
    """Return the storm that this change is part of, unless it is halted already."""
    counted, draft, name = facts.storm, facts.draft, facts.draft.agent_name
    found = None
    if name is not None:
        words = _excess(facts, counted.agent_proposals, counted.agent_changes)
        found = words and FoundStorm(HaltScope(agent=name), f"Action storm: agent {name} {words}{_ASKS}")
    if not found:
        words = _excess(facts, counted.environment_proposals, counted.environment_changes)
        where = (
            HaltScope(environment=draft.environment) if draft.environment else HaltScope(tenant=draft.tenant)
        )
        place = f"environment {draft.environment}" if draft.environment else "the unregistered targets"
        found = words and FoundStorm(where, f"Action storm: {place} {words}{_ASKS}")
    if not found or any(halt.scope == found.scope for halt in facts.halts):
        return None
    return found


def storm_of_requester(facts: Facts) -> str | None:
    """Return what a requester alone, without an agent, has too much of: that is denied and nobody else is halted."""
    if facts.agent is not None:
        return None
    words = _excess(facts, facts.storm.requester_proposals, facts.storm.requester_changes)
    return words and f"{facts.draft.requester.key} {words}."


def _excess(facts: Facts, proposals: int, changes: int) -> str | None:
    storm = facts.limits.storm
    within = f"within {storm.window}"
    if proposals > storm.proposals:
        return f"made more than {storm.proposals} proposals {within}"
    this_one = 1 if facts.admitting and not facts.is_counted else 0
    if changes + this_one > storm.changes:
        return f"asks for more than {storm.changes} changes {within}"
    return None
