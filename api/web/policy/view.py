"""What the page of the rules shows, made of the services' answers. Pure: no rule of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from api.shadow.schemas import Pair
from contracts.ports import PolicyDescription

_LEVELS = {
    "hard": ("danger", "lock"),
    "soft": ("warn", "person"),
    "advisory": ("note", "info"),
}


@dataclass(frozen=True)
class Level:
    """A policy's level as its author wrote it, cut into what is marked and what is read."""

    word: str
    tone: str
    icon: str
    more: str
    """For example who lifts it; empty for nothing."""


@dataclass(frozen=True)
class PolicyRow:
    """One policy as the table shows it."""

    policy: PolicyDescription
    level: Level | None
    """None: its author does not say."""


def policy_rows(policies: Iterable[PolicyDescription]) -> list[PolicyRow]:
    """Return the rows of the table, in the order of the names."""
    return [PolicyRow(one, level_of(one.level)) for one in policies]


def level_of(said: str | None) -> Level | None:
    """Return the level of `soft (an approver)`; None where the words begin with no level."""
    word, _, more = (said or "").strip().partition(" ")
    known = word.rstrip(",").lower()
    if known not in _LEVELS:
        return None
    tone, icon = _LEVELS[known]
    more = more.strip()
    if more.startswith("(") and more.endswith(")"):
        more = more[1:-1]
    return Level(known, tone, icon, more)


def differing(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Return the pairs that disagree, the most frequent first."""
    return tuple(sorted((one for one in pairs if one.live is not one.candidate), key=lambda one: -one.count))


def short(revision: str) -> str:
    """Return enough of a revision to recognise it: `sha256:0123456789ab`."""
    kind, colon, digest = revision.partition(":")
    return f"{kind}{colon}{digest[:12]}" if colon else revision[:19]
