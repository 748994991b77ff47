"""What a pass judged by, as JSON: kept beside its evaluation, so that it can be judged again under other rules.

Written by the pass, read by `sluice policy backtest` and by the explanation of a proposal. The form follows `Facts`
by itself: a new fact is recorded without a change here. A record that this version cannot read whole is refused,
never read in part: a fact that got lost could turn a deny into an allow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

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


def dump(record: Record) -> str:
    """Return the record as one JSON text. Decimals, times and lengths of time are strings: nothing is rounded.

    What an operator declared is recorded as it was written: there, a key that is left out can mean something else
    than its default.
    """
    return json.dumps(_plain(record), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = _RECORD.dump_python(record, mode="json")
    for one in fields(record.facts):
        value = getattr(record.facts, one.name)
        if isinstance(value, Contract) and type(value).__module__.startswith(_DECLARED):
            document["facts"][one.name] = value.model_dump(mode="json", exclude_unset=True)
    _withhold_salt(record.facts, document["facts"])
    return document


def _withhold_salt(facts: Facts, document: dict[str, Any]) -> None:
    """Keep the lot that was drawn instead: whoever knew the salt could foresee who is not looked at."""
    salt = facts.approval_limits.sample_salt
    if salt:
        document["approval_limits"]["sample_salt"] = WITHHELD
        if facts.sample_draw is None:
            document["sample_draw"] = draw_of(facts.draft, salt)


def parse(document: Mapping[str, Any]) -> Record:
    """Return the record that a JSON object holds.

    Raises:
        RecordUnreadable: it lacks a fact, or holds one that this version does not know.
    """
    try:
        record = _RECORD.validate_json(json.dumps(document, allow_nan=False))
    except (ValidationError, ValueError) as error:
        raise RecordUnreadable("the record does not hold the facts that guardrails read") from error
    lost = _lost(document, _plain(record))
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
