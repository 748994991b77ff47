"""Guardrails on the page: every verdict with its facts as readable keys and values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from api import words
from contracts import eligibility
from contracts.break_glass import grant_of
from contracts.evaluation import Outcome, Verdict
from contracts.holds import FREE_AT
from contracts.principal import Principal

MAX_DEPTH = 4


@dataclass(frozen=True)
class Known:
    """One fact a guardrail used: its name in words, its value as text, and how deep it stands."""

    name: str
    value: str
    depth: int = 0


@dataclass(frozen=True)
class Judgement:
    """One guardrail's answer."""

    verdict: Verdict
    facts: tuple[Known, ...]
    grant: str | None
    """The break-glass grant without which it would have said something else."""
    met: str
    """That the people it asks for have approved, in words; empty while they have not, or nobody is asked."""
    closed_by: tuple[str, ...]
    """The change windows that close it."""
    opens_at: datetime | None
    """When they let changes through again; None where nothing closes, or no opening is in sight."""

    @property
    def is_bypassed(self) -> bool:
        """Whether a break-glass grant changed its answer."""
        return self.grant is not None


def judgements_of(verdicts: Iterable[Verdict], approvers: Sequence[Principal] = ()) -> tuple[Judgement, ...]:
    """Return every verdict for the page, in the given order. `approvers`: who approves the present revision."""
    return tuple(_judgement(one, approvers) for one in verdicts)


def _judgement(verdict: Verdict, approvers: Sequence[Principal]) -> Judgement:
    closed_by, opens_at = _closed(verdict)
    return Judgement(
        verdict=verdict,
        facts=tuple(known_of(verdict.facts)),
        grant=grant_of(verdict),
        met=_met(verdict, approvers),
        closed_by=closed_by,
        opens_at=opens_at,
    )


def _met(verdict: Verdict, approvers: Sequence[Principal]) -> str:
    asked = verdict.requirement
    if verdict.outcome is not Outcome.REQUIRE_APPROVAL or asked is None:
        return ""
    return f"met: {len(approvers)} approved" if eligibility.is_met(asked, approvers) else ""


def _closed(verdict: Verdict) -> tuple[tuple[str, ...], datetime | None]:
    """Which windows close, by the facts of the guardrail `change_window`."""
    names, opens = verdict.facts.get("closed_by"), verdict.facts.get(FREE_AT)
    if not isinstance(names, list) or not names or not isinstance(opens, str):
        return (), None
    return tuple(str(one) for one in names), datetime.fromisoformat(opens)


def known_of(facts: dict[str, JsonValue]) -> Iterator[Known]:
    """Flatten facts into lines. Nested ones follow their name, one step deeper."""
    for name, value in facts.items():
        yield from _lines(words.plain(name), value, 0)


def _lines(name: str, value: JsonValue, depth: int) -> Iterator[Known]:
    if depth < MAX_DEPTH and isinstance(value, dict) and value:
        yield Known(name, "", depth)
        for inner, held in value.items():
            yield from _lines(words.plain(inner), held, depth + 1)
    elif depth < MAX_DEPTH and isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for place, held in enumerate(value, start=1):
            yield from _lines(f"{name} {place}", held, depth)
    else:
        yield Known(name, _said(value), depth)


def _said(value: JsonValue) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_said(one) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{words.plain(name)}: {_said(held)}" for name, held in value.items()) or "none"
    return str(value)
