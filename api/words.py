"""Typed values in words and figures, the same on every page, in the log's lines and in the decision record. Pure.

The templates have them as filters (api/web/rendering.py).
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from contracts.decision import DecisionKind
from contracts.principal import pair_of
from contracts.proposal import ProposalState
from contracts.safety import HaltScope

_CENT = Decimal("0.01")
_MINUS = "\u2212"
_OUR_ISSUERS = frozenset({"local", "sluice"})
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

_ACTION_KINDS = {
    "gke.node_pool.resize": "Resize a node pool",
    "gke.node_pool.autoscaling": "Set autoscaling bounds",
}
_VOTED = {
    DecisionKind.APPROVE: "approved",
    DecisionKind.REJECT: "rejected",
    DecisionKind.REQUEST_CHANGE: "asked for a change",
    DecisionKind.WITHDRAW: "took their decision back",
}
_ENDINGS = {
    ProposalState.SUCCEEDED: "Done and verified.",
    ProposalState.ROLLED_BACK: "The outcome was wrong; the prior state is restored and verified.",
    ProposalState.DENIED: "A guardrail denied it. Nothing ran.",
    ProposalState.REJECTED: "A reviewer rejected it. Nothing ran.",
    ProposalState.EXPIRED: "Time ran out. Nothing ran.",
    ProposalState.CANCELLED: "It was cancelled. Nothing ran.",
    ProposalState.STALE: "The target was no longer as approved. Nothing ran.",
    ProposalState.FAILED: "It failed, and no effect took place.",
    ProposalState.DIRTY: "Its outcome is not known for sure. The target stays locked until a person has looked.",
}


def plain(code: object) -> str:
    """Return a code as words: `awaiting_approval` → `awaiting approval`."""
    return str(code).replace("_", " ").replace(".", " ")


def sentence(code: object) -> str:
    """Return a code as words with a capital first letter."""
    told = plain(code)
    return told[:1].upper() + told[1:]


def money(amount: Decimal | str, currency: str) -> str:
    """Return an amount with thousands separators: `1,964.87 USD`."""
    value = Decimal(amount).quantize(_CENT, ROUND_HALF_EVEN)
    sign = _MINUS if value < 0 else ""
    return f"{sign}{abs(value):,.2f} {currency}"


def delta(amount: Decimal | str, currency: str) -> str:
    """Return a difference, its sign always shown: `+1,964.87 USD`."""
    value = Decimal(amount).quantize(_CENT, ROUND_HALF_EVEN)
    sign = _MINUS if value < 0 else "+" if value > 0 else "±"
    return f"{sign}{abs(value):,.2f} {currency}"


def signed(number: int) -> str:
    """Return a whole number with its sign: `+3`, `−2`, `±0`."""
    return f"{_MINUS if number < 0 else '+' if number > 0 else '±'}{abs(number):,}"


def percent(share: float | Decimal) -> str:
    """Return a share of one as a percentage: `0.5` → `50%`; tiny ones are not rounded to nothing."""
    value = float(share) * 100
    if 0 < value < 1:
        return "<1%"
    return f"{value:,.0f}%"


def duration(seconds: float) -> str:
    """Return a span in its two largest units: `14,340.0` → `3 h 59 min`."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def utc(moment: datetime) -> str:
    """Return a moment for people, in UTC: `2026-11-21 13:05:10 UTC`."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def issued_by(issuer: str) -> str:
    """Return who vouches for a name, as short as it stays unmistakable; empty for our own identities.

    An identity provider is known by its whole issuer (OpenID Connect Core 1.0, section 2); only the scheme is left out.
    """
    return "" if issuer in _OUR_ISSUERS else issuer.removeprefix("https://")


def who(name: str) -> str:
    """Return the subject of a key, or of `issuer/subject`; the whole where the issuer is an address."""
    whole = "/".join(pair_of(name))
    return whole if "://" in whole else whole.partition("/")[2]


def action_kind(kind: str) -> str:
    """Return a kind of action for people: `Resize a node pool`."""
    return _ACTION_KINDS.get(kind, kind)


def voted(kind: DecisionKind) -> str:
    """Return what somebody did who decided: `approved`."""
    return _VOTED[kind]


def scope(given: HaltScope) -> str:
    """Return what a halt covers, in one line: `environment production, action gke.node_pool.resize`."""
    if given.everything:
        return "everything"
    named = {
        "tenant": given.tenant,
        "environment": given.environment,
        "target": given.target,
        "action": given.action_kind,
        "agent": given.agent,
    }
    return ", ".join(f"{name} {value}" for name, value in named.items() if value)


def ending(state: ProposalState) -> str:
    """Return what a final state means for the target, in one sentence; empty for a live one."""
    return _ENDINGS.get(state, "")
