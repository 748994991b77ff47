"""Guardrails on the page: every verdict with its facts as readable keys and values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from api import words
from contracts.evaluation import Outcome, Verdict

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
    way_out: str
    """What would have to change, where it denied; empty otherwise."""


_WAYS_OUT = {
    "above_max_nodes": "Ask for {limit} nodes per zone or fewer.",
    "budget_exceeded": "Ask for less, wait for the next budget window, or have the budget raised.",
    "target_not_registered": "Have the target registered in the configuration, under an environment and a team.",
    "registration_changed": "Propose it again: the target's environment or team is another one now.",
    "pool_is_autoscaled": "Propose other bounds for its autoscaler instead of a size.",
    "pool_is_not_autoscaled": "Propose a size instead of bounds.",
    "halted": "Wait until the halt has ended, then propose it again.",
    "observation_unavailable": "Propose it again once the provider answers.",
    "mode_mismatch": "Propose it again in the mode that runs now.",
    "currency_mismatch": "Have the budget and the price table use one currency.",
    "price_unknown": "Have a price for this machine type added to the price table.",
}


def judgements_of(verdicts: Iterable[Verdict]) -> tuple[Judgement, ...]:
    """Return every verdict for the page, in the given order."""
    return tuple(Judgement(one, tuple(known_of(one.facts)), way_out(one)) for one in verdicts)


def way_out(verdict: Verdict) -> str:
    """Return what would have to change for a denial to be none; empty where nobody can tell."""
    if verdict.outcome is not Outcome.DENY:
        return ""
    found = _WAYS_OUT.get(verdict.reason_code, "")
    try:
        return found.format_map(verdict.facts)
    except (KeyError, ValueError):
        return ""


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


def denials(judged: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """Return those that denied."""
    return tuple(one for one in judged if one.verdict.outcome is Outcome.DENY)
