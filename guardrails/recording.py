"""What a pass judged by, as JSON: kept beside its evaluation, so that it can be judged again under other rules.

Written by the pass, read by `sluice policy backtest` and by the explanation of a proposal. The form follows `Facts`
by itself: a new fact is recorded without a change here. A record that this version cannot read whole is refused,
never read in part: a fact that got lost could turn a deny into an allow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import to_json

from contracts.base import Contract
from contracts.errors import RecordUnreadable
from guardrails.approval_rule.delegation import draw_of
from guardrails.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything one pass knew."""

    facts: Facts
    policy_input: dict[str, JsonValue] | None = None
    """The document that OPA judged; None when it was not asked."""


WITHHELD = "withheld-from-records"
"""Stands for the salt of samples: nobody who proposes may know it, and records are read by more than its owner."""
_DECLARED = "contracts.configuration"
_RECORD = TypeAdapter(Record)
_FACTS = TypeAdapter(Facts)


def dump(record: Record) -> str:
    """Return the record as one JSON text. Decimals, times and lengths of time are strings: nothing is rounded.

    What an operator declared is recorded as it was written: there, a key that is left out can mean something else
    than its default.
    """
    facts = _without_salt(record.facts)
    declared = {one.name: value for one in fields(facts) if _is_declared(value := getattr(facts, one.name))}
    known = _FACTS.dump_json(facts, exclude=set(declared)).decode().removesuffix("}")
    written = [f'"{name}":{value.model_dump_json(exclude_unset=True)}' for name, value in declared.items()]
    return (
        f'{{"facts":{",".join([known, *written])}}},"policy_input":{to_json(record.policy_input).decode()}}}'
    )


def _is_declared(value: object) -> bool:
    return isinstance(value, Contract) and type(value).__module__.startswith(_DECLARED)


def _without_salt(facts: Facts) -> Facts:
    """Keep the lot that was drawn instead: whoever knew the salt could foresee who is not looked at."""
    limits = facts.approval_limits
    if not limits.sample_salt:
        return facts
    draw = draw_of(facts.draft, limits.sample_salt) if facts.sample_draw is None else facts.sample_draw
    return replace(
        facts, approval_limits=limits.model_copy(update={"sample_salt": WITHHELD}), sample_draw=draw
    )


def parse(document: Mapping[str, Any]) -> Record:
    """Return the record that a JSON object holds.

    Raises:
        RecordUnreadable: it lacks a fact, or holds one that this version does not know.
    """
    try:
        record = _RECORD.validate_json(json.dumps(document, allow_nan=False))
    except (ValidationError, ValueError) as error:
        raise RecordUnreadable("the record does not hold the facts that guardrails read") from error
    lost = _lost(document, json.loads(dump(record)))
    if lost is not None:
        raise RecordUnreadable(f"this version does not know the recorded fact {lost}")
    return record


def _lost(given: object, kept: object, where: str = "") -> str | None:
    """Return the path of the first value that was given and is not kept; None when all is there."""
    if given == kept:
        return None
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        for name, value in given.items():
            path = f"{where}.{name}" if where else str(name)
            if name not in kept:
                return path
            lost = _lost(value, kept[name], path)
            if lost is not None:
                return lost
        return None
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        found = (
            _lost(one, other, f"{where}[{index}]")
            for index, (one, other) in enumerate(zip(given, kept, strict=True))
        )
        return next((path for path in found if path is not None), None)
    return where
