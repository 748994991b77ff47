"""GUARDRAIL rate: effects per hour on a target and by an agent, and the rest a target gets between two effects."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from contracts.evaluation import Verdict
from guardrails.answers import Answers
from guardrails.facts import Facts, RateFacts

_ANSWER = Answers("rate")


def decide(facts: Facts) -> Verdict:
    """Hold until the count falls or the rest is over; deny when that is not before `execute_by`."""
    shown: dict[str, JsonValue] = {"effects_per_hour": facts.limits.effects_per_hour}
    waits: list[tuple[datetime | None, str, str, str]] = []
    for rate in (facts.target_rate, facts.agent_rate):
        if rate is None:
            continue
        shown[rate.key] = rate.uses
        if rate.uses >= facts.limits.effects_per_hour:
            waits.append((rate.frees_at, "effects_per_hour", "rate_limited", _full(rate)))
    resting = facts.last_effect_at and facts.last_effect_at + facts.limits.cooldown
    if facts.limits.cooldown and resting and resting > facts.now:
        told = f"The target rests until {resting:%Y-%m-%d %H:%M:%S %Z} after its last change."
        waits.append((resting, "cooldown", "cooldown", told))
    if not waits:
        return _ANSWER.allow("effects_per_hour", "Neither too often nor too soon.", shown)
    longest, rule, code, message = max(
        waits, key=lambda wait: wait[0] or datetime.max.replace(tzinfo=facts.now.tzinfo)
    )
    shown["free_at"] = longest.isoformat() if longest else None
    if longest is None or longest > facts.draft.execute_by:
        return _ANSWER.deny(rule, code, f"{message} That is not before its last moment.", shown)
    if facts.admitting:
        return _ANSWER.hold(rule, code, message, held_on=f"rate:{facts.target_rate.key}", facts=shown)
    return _ANSWER.allow(rule, f"It will have to wait: {message}", shown)


def _full(rate: RateFacts) -> str:
    return f"{rate.uses} effects in the past hour on or by {rate.key}."
