"""GUARDRAIL rate: what ends by itself at a known time. Tokens of the execution budgets, and the rests of a target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.configuration import RateScope
from contracts.holds import on_rate
from guardrails.facts import Facts, RateFacts
from guardrails.rate.bucket import Bucket
from guardrails.rate.direction import is_named_by_person

_WHOSE = {
    RateScope.TARGET: "this target",
    RateScope.AGENT: "this agent",
    RateScope.TENANT: "the tenant",
    RateScope.FLEET: "the whole fleet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One reason to wait. `until` None: it never ends by itself."""

    until: datetime | None
    rule: str
    reason_code: str
    message: str
    held_on: str
    remedy: str


def waits_of(facts: Facts, direction: int | None) -> list[Wait]:
    """Return every wait that is not over."""
    found = [] if facts.is_counted else [_for_token(facts, rate) for rate in facts.rates]
    found += [_for_rest(facts), _for_reversal(facts, direction)]
    return [wait for wait in found if wait is not None]


def tokens_of(facts: Facts) -> dict[str, int]:
    """Return how many whole tokens each budget has, by its key."""
    return {
        rate.key: Bucket(rate.deficit, rate.as_of).tokens(facts.now, facts.limits.rate_of(rate.scope))
        for rate in facts.rates
    }


def _for_token(facts: Facts, rate: RateFacts) -> Wait | None:
    limit = facts.limits.rate_of(rate.scope)
    turn = Bucket(rate.deficit, rate.as_of).turn_of(rate.ahead + 1, facts.now, limit)
    if turn is not None and turn <= facts.now:
        return None
    allowed = f"{limit.capacity} changes at once and {limit.per_hour} an hour"
    queued = f"; {rate.ahead} wait before this one" if rate.ahead else ""
    return Wait(
        until=turn,
        rule=f"{rate.scope.value}_budget",
        reason_code="rate_limited",
        message=f"The execution budget of {_WHOSE[rate.scope]} is used up: {allowed}{queued}.",
        held_on=on_rate(rate.key),
        remedy="Wait for the next token, or ask an operator to raise the limit in the configuration.",
    )


def _for_rest(facts: Facts) -> Wait | None:
    if facts.last_effect_at is None or not facts.limits.cooldown:
        return None
    return _rest(facts, facts.last_effect_at + facts.limits.cooldown, "cooldown", "its last change")


def _for_reversal(facts: Facts, direction: int | None) -> Wait | None:
    """A change back. A direction that nobody knows counts as one; what a person takes back need not wait."""
    if facts.draft.undoes is not None and is_named_by_person(facts.draft):
        return None
    last = next((change for change in facts.past_changes if change.direction), None)
    if last is None or not facts.limits.reversal_cooldown or direction not in (None, -last.direction):
        return None
    grew = "growing" if last.direction > 0 else "shrinking"
    until = last.at + facts.limits.reversal_cooldown
    return _rest(facts, until, "reversal_cooldown", f"{grew}, before the opposite")


def _rest(facts: Facts, until: datetime, code: str, after: str) -> Wait | None:
    if until <= facts.now:
        return None
    return Wait(
        until=until,
        rule=code,
        reason_code=code,
        message=f"The target rests until {until:%Y-%m-%d %H:%M:%S %Z} after {after}.",
        held_on=on_rate(f"{code}:{facts.draft.action.target.key}"),
        remedy=f"Wait {_words(until - facts.now)}.",
    )


def _words(length: timedelta) -> str:
    minutes = -(-length // timedelta(minutes=1))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
