"""Circuit breakers in words: what each kind guards, what opened one, and its form of opening. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from api import words
from api.safety.schemas import OpenBody
from api.web.forms import FieldRefused
from contracts.action import ACTION_KINDS
from contracts.circuit_breaker import PROVIDERS, BreakerScope, Rule, scope_of
from contracts.configuration import BreakerLimits

GUARDS: Mapping[BreakerScope, tuple[str, str, str]] = {
    BreakerScope.TARGET: ("One target", "one target", "Every change of this one pool is held."),
    BreakerScope.KIND: (
        "A kind of change",
        "every target",
        "Every change of this kind is held, on every target.",
    ),
    BreakerScope.PROVIDER: ("A provider", "every target there", "Every change at this provider is held."),
    BreakerScope.AGENT: (
        "An agent",
        "all it proposes",
        "A person must approve each change that this agent proposes.",
    ),
    BreakerScope.MODEL: (
        "A language model",
        "every request",
        "The model is not asked: the rules planner answers instead.",
    ),
}
"""What it guards → its name, how far that reaches, and what an open one does."""
PROVIDER_OPTIONS = [("", "choose one"), *((name, name.upper()) for name in PROVIDERS)]
KIND_OPTIONS = [("", "choose one"), *((kind, words.action_kind(kind)) for kind in ACTION_KINDS)]
DURATIONS = (
    ("", "until a person closes it"),
    ("15m", "15 minutes"),
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("24h", "1 day"),
    ("7d", "7 days"),
)
GUARDED = "guards"


def rule_words(rule: str | None, limits: BreakerLimits) -> str:
    """Return what opened a breaker, with the limit that was reached; empty for nothing."""
    if rule is None:
        return ""
    agent = limits.agent
    told = {
        Rule.FAILURES: f"{limits.failures} failures in a row",
        Rule.FAILURES_IN_WINDOW: f"{limits.failures_in_window} failures within "
        f"{words.duration(limits.window.total_seconds())}",
        Rule.FAILURE_RATE: f"{words.percent(limits.failure_rate)} of at least {limits.least_outcomes} outcomes "
        f"failed within {words.duration(limits.window.total_seconds())}",
        Rule.ROLLBACK_RATE: f"{words.percent(agent.rollback_rate)} of at least {agent.least_outcomes} effects "
        f"were rolled back or left dirty within {words.duration(agent.window.total_seconds())}",
        Rule.OVERRIDE_RATE: f"people refused {words.percent(agent.override_rate)} of at least "
        f"{agent.least_outcomes} proposals within {words.duration(agent.window.total_seconds())}",
        Rule.PROBE: "its one probe failed",
        Rule.READ: "the read before its probe failed",
        Rule.OPERATOR: "a person opened it",
    }
    return told[Rule(rule)] if rule in set(Rule) else rule


def breaker_of(fields: Mapping[str, str]) -> str:
    """Return the id of the breaker that a form names. Whether it guards something here, the service tells.

    Raises:
        FieldRefused: nothing is chosen, or nothing is named.
    """
    guarded = fields.get(GUARDED, "")
    if guarded not in set(BreakerScope):
        raise FieldRefused(GUARDED, "Choose what it guards.")
    name = fields.get(guarded, "").strip()
    if not name:
        raise FieldRefused(guarded, "Name it.")
    return f"{guarded}:{name}"


def breaker_fields(breaker_id: str) -> dict[str, str]:
    """Return the form's fields for a breaker's id: the way back of `breaker_of`; nothing for what is none."""
    try:
        scope = scope_of(breaker_id)
    except ValueError:
        return {}
    return {GUARDED: scope.value, scope.value: breaker_id.partition(":")[2]}


def opening_of(fields: Mapping[str, str], reason: str) -> OpenBody:
    """Return why and for how long a form opens a breaker.

    Raises:
        FieldRefused: a time that no page offers.
    """
    lasts = fields.get("duration", "")
    if lasts not in dict(DURATIONS):
        raise FieldRefused("duration", "This page did not offer that. Reload it.")
    try:
        return OpenBody.model_validate({"reason": reason, "duration": lasts or None})
    except ValidationError as error:
        raise FieldRefused("duration", "Choose how long it stays open.") from error
