"""GUARDRAIL change window: a freeze closes; where a change has allow windows, it must lie inside one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue

from contracts.configuration import WindowKind
from contracts.eligibility import is_named
from contracts.evaluation import Verdict
from contracts.holds import FREE_AT, on_window
from contracts.override import GateOverride
from contracts.principal import Principal, Role
from guardrails.answers import Answers
from guardrails.facts import Facts, WindowFacts, WindowsFacts

OUTSIDE, FROZEN, ENDED = "outside_window", "frozen", "window_ended"
_ANSWER = Answers("change_window")


def decide(facts: Facts) -> Verdict:
    """Hold until changes may take place; deny, or ask for an override, when that is not before `execute_by`."""
    given = facts.windows
    if given is None:
        return _ANSWER.deny("open", "windows_unknown", "Nobody read the change windows; nothing is allowed.")
    closing = closing_windows(given.windows)
    shown = _shown(given, closing)
    if not closing:
        return _ANSWER.allow("open", _open_words(given), shown)
    override = _override_of(closing, facts)
    if override is not None:
        who = override.actor.spelled
        message = f"{who} overrode {_names(closing)}: {override.reason}"
        return _ANSWER.allow("overridden", message, shown | {"override": override.id, "overridden_by": who})
    rule, code = _rule_of(closing)
    message = _closed_words(closing, given.opens_at)
    if given.opens_at is None or given.opens_at >= facts.draft.execute_by:
        return _too_late(facts, closing, rule, code, message, shown)
    if not facts.admitting:
        return _ANSWER.allow(rule, f"It will wait until {_at(given.opens_at)}: {message}", shown)
    return _ANSWER.hold(
        rule, code, message, held_on=held_on(closing), facts=shown, remedy=_remedy(closing, given.opens_at)
    )


def closing_windows(windows: Sequence[WindowFacts]) -> tuple[WindowFacts, ...]:
    """Return what closes: every freeze that lasts; and all allow windows when there are some and none lasts."""
    freezes = [window for window in windows if window.kind is WindowKind.FREEZE and window.lasts]
    allows = [window for window in windows if window.kind is WindowKind.ALLOW]
    outside = [] if any(window.lasts for window in allows) else allows
    return (*freezes, *outside)


def held_on(closing: Sequence[WindowFacts]) -> str:
    """Return the key under which a proposal waits: the first window that closes it."""
    return on_window(closing[0].name)


def override_roles(closing: Sequence[WindowFacts]) -> tuple[Role, ...]:
    """Return the roles that may override all of these windows; none when one of them cannot be overridden."""
    shared = set(Role)
    for window in closing:
        shared &= set(window.override_roles)
    return tuple(role for role in Role if role in shared)


def _override_of(closing: Sequence[WindowFacts], facts: Facts) -> GateOverride | None:
    """The newest override that covers every window that closes now: a later freeze was not meant."""
    names, roles = {window.name for window in closing}, set(override_roles(closing))
    fitting = (
        one
        for one in facts.overrides
        if one.gate == _ANSWER.guardrail
        and names <= set(one.windows)
        and roles & set(one.actor.roles)
        and not _has_a_hand_in(one.actor, facts)
    )
    return max(fitting, key=lambda one: one.at, default=None)


def _has_a_hand_in(person: Principal, facts: Facts) -> bool:
    """Four eyes: who proposed it, edited it, or answers for the agent that made it overrides nothing for it."""
    return any(person.same_as(author) for author in facts.draft.authors) or is_named(person, facts.owners)


def _too_late(
    facts: Facts,
    closing: Sequence[WindowFacts],
    rule: str,
    code: str,
    message: str,
    shown: dict[str, JsonValue],
) -> Verdict:
    """It does not open in time. Somebody may still override it, if the windows say who."""
    roles = override_roles(closing)
    told = f"{message} That is not before its last moment, {_at(facts.draft.execute_by)}."
    if not roles:
        return _ANSWER.deny(rule, code, told, shown, remedy=_remedy(closing, None))
    if facts.admitting:
        return _ANSWER.hold(
            rule, code, told, held_on=held_on(closing), facts=shown, remedy=_remedy(closing, None)
        )
    asked = f"{told} Approving it overrides {_names(closing)}."
    # One role is enough to override: an approval asks for every role that it names.
    return _ANSWER.require_approval(rule, code, asked, roles=roles[:1], facts=shown)


def _rule_of(closing: Sequence[WindowFacts]) -> tuple[str, str]:
    if closing[0].kind is WindowKind.FREEZE:
        return "no_freeze", FROZEN
    return "inside_a_window", ENDED if all(window.changes_at is None for window in closing) else OUTSIDE


def _shown(given: WindowsFacts, closing: Sequence[WindowFacts]) -> dict[str, JsonValue]:
    return {
        "windows": [window.name for window in given.windows],
        "closed_by": [window.name for window in closing],
        FREE_AT: given.opens_at.isoformat() if closing and given.opens_at else None,
        "override_roles": [role.value for role in override_roles(closing)] if closing else [],
    }


def _open_words(given: WindowsFacts) -> str:
    if not given.windows:
        return "No change window covers this."
    inside = [window for window in given.windows if window.kind is WindowKind.ALLOW and window.lasts]
    return f"Inside {_names(inside)}, and nothing is frozen." if inside else "Nothing is frozen now."


def _closed_words(closing: Sequence[WindowFacts], opens_at: datetime | None) -> str:
    frozen = closing[0].kind is WindowKind.FREEZE
    told = f"Frozen by {_names(closing)}." if frozen else f"Outside {_names(closing)}."
    if opens_at is None:
        return f"{told} No opening is in sight."
    return f"{told} Changes may take place again at {_at(opens_at)}."


def _remedy(closing: Sequence[WindowFacts], opens_at: datetime | None) -> str:
    roles = override_roles(closing)
    waiting = f"Wait until {_at(opens_at)}" if opens_at else "Change the windows in the configuration"
    if not roles:
        return f"{waiting}; nobody may override {_names(closing)}."
    names = " or ".join(role.value for role in roles)
    return f"{waiting}, or let an {names} override {_names(closing)} with a reason."


def _names(windows: Sequence[WindowFacts]) -> str:
    return ", ".join(window.name for window in windows)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
