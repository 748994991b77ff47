"""Break-glass on the pages: its form to what the service takes, and its gates in words. Pure.

What a gate lets through, and what no grant ever does, is decided in `guardrails/break_glass.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from api.safety.exception_schemas import GrantView, OpenGrantBody
from api.web.forms import FieldRefused
from api.web.operations.scope import scope_of
from contracts.break_glass import BreakGlassStatus
from contracts.configuration import BreakGlassLimits, BypassableGate, Gate

GATE = "gate."
"""What the name of a gate's box begins with."""
_OWN = "the reasons that this guardrail of one's own declares"


class _Gates(dict[Gate, tuple[str, str]]):
    """Those of Sluice, and any other by its own name."""

    def __missing__(self, gate: Gate) -> tuple[str, str]:
        return str(gate), _OWN


GATES: Mapping[Gate, tuple[str, str]] = _Gates(
    {
        BypassableGate.CHANGE_WINDOW: ("Change windows", "freezes, and the time outside of allow windows"),
        BypassableGate.RATE: (
            "Rate limits",
            "execution budgets, cooldowns and oscillation; not storms and circles",
        ),
        BypassableGate.CIRCUIT_BREAKER: ("Circuit breakers", "open and half-open ones"),
        BypassableGate.BUDGET: ("Soft budget limits", "the cap that asks for people; never a hard one"),
        BypassableGate.APPROVAL_RULE: ("Quorum", "fewer people approve each change, and never nobody"),
    }
)
"""Gate → its name, and what of it a grant bypasses."""
NEVER = (
    "Scope, halts, policy, blast radius, hard budget limits, idempotency and audit; "
    "and no guardrail that failed or lacked a fact."
)
"""What no grant bypasses."""
_GATE: TypeAdapter[Gate] = TypeAdapter(Gate)
_OPEN = frozenset({BreakGlassStatus.AWAITING_SECOND, BreakGlassStatus.ACTIVE})


@dataclass(frozen=True)
class GrantList:
    """Grants by what they ask of people."""

    standing: Sequence[GrantView]
    """Those that count, or wait for their second person."""
    due: Sequence[GrantView]
    """Those whose review is open."""
    over: Sequence[GrantView]


def sorted_grants(grants: Iterable[GrantView]) -> GrantList:
    """Return grants, newest first, by what they ask of people."""
    found = list(grants)
    return GrantList(
        standing=[one for one in found if one.status in _OPEN],
        due=[one for one in found if one.status is BreakGlassStatus.REVIEW_OPEN],
        over=[one for one in found if one.status in (BreakGlassStatus.REVIEWED, BreakGlassStatus.LAPSED)],
    )


def most_minutes(limits: BreakGlassLimits) -> int:
    """Return the longest that a grant may last."""
    return int(limits.longest / timedelta(minutes=1))


def grant_of(fields: Mapping[str, str], reason: str) -> OpenGrantBody:
    """Return what a submitted form asks for. The service judges it against the configuration.

    Raises:
        FieldRefused: nothing is chosen, or what no page offers.
    """
    scope = scope_of(fields, "Choose what it covers.")
    named = [name.removeprefix(GATE) for name in fields if name.startswith(GATE)]
    if not named:
        raise FieldRefused("gates", "Choose at least one gate.")
    if not all(_is_gate(name) for name in named):
        raise FieldRefused("gates", "This page did not offer that. Reload it.")
    minutes = fields.get("minutes", "").strip()
    if not (minutes.isascii() and minutes.isdecimal() and len(minutes) <= 4):
        raise FieldRefused("minutes", "Say how many minutes, in a whole number.")
    asked = {"scope": scope, "gates": tuple(named), "reason": reason, "minutes": int(minutes)}
    try:
        return OpenGrantBody.model_validate(asked)
    except ValidationError as error:
        raise FieldRefused("minutes", "Say how many minutes: at least one, at most a day.") from error


def _is_gate(name: str) -> bool:
    try:
        _GATE.validate_python(name)
    except ValidationError:
        return False
    return True
