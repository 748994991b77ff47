"""The filters of `/audit` and `/activity` as a browser's form sends them: every field may be empty, times are UTC.

What cannot be used is kept as it was typed and told beside its field; then nothing is searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from adapters.store.audit_search import Wanted
from api.audit.filters import MAX_ACTOR, MAX_SUBJECT
from contracts.audit import MAX_NUMBER, AuditType
from contracts.principal import whole

MOST_ACTORS = 100
"""Actors that the field offers."""
_LONGEST_NUMBER = 19
"""Digits of the largest number; Python refuses to read thousands of them."""


@dataclass(frozen=True)
class FilterForm:
    """What was typed, what it means, and what is wrong with it."""

    given: tuple[tuple[str, str], ...]
    """The filters that are set, as they were sent; a name may come twice."""
    wanted: Wanted
    errors: Mapping[str, str]
    before: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    """Name → what stands in the field."""

    @property
    def is_set(self) -> bool:
        """True when anything narrows the list."""
        return bool(self.given)

    @property
    def types(self) -> frozenset[str]:
        """The types that were chosen."""
        return frozenset(one.value for one in self.wanted.types)

    def query(self, **more: Any) -> str:
        """Return the filters as a query string with its `?`, and what else is given; empty without any."""
        pairs = [*self.given, *((name, str(value)) for name, value in more.items() if value is not None)]
        return f"?{urlencode(pairs)}" if pairs else ""


def form_of(params: QueryParams) -> FilterForm:
    """Read the filters of an address. Never raises."""
    errors: dict[str, str] = {}
    names = ("type", "subject", "actor", "since", "until", "place")
    given = [(name, value.strip()) for name, value in params.multi_items() if name in names]
    given = [(name, value) for name, value in given if value]
    values = dict(given)

    def read(name: str, parse: Callable[[str], Any]) -> Any:
        try:
            return parse(values[name]) if name in values else None
        except ValueError as error:
            errors[name] = str(error)
            return None

    types = _types([value for name, value in given if name == "type"], errors)
    wanted = Wanted(
        types=types,
        subject=read("subject", lambda text: _short(text, MAX_SUBJECT)),
        actor=read("actor", _actor),
        since=read("since", _moment),
        until=read("until", _moment),
        place=read("place", lambda text: _short(text, MAX_SUBJECT)),
    )
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        errors["until"] = "It has to be later than the beginning."
    before = params.get("before", "")
    is_number = before.isdecimal() and len(before) <= _LONGEST_NUMBER and int(before) <= MAX_NUMBER
    number = int(before) if is_number else None
    return FilterForm(tuple(given), wanted, errors, number, values)


def _types(given: list[str], errors: dict[str, str]) -> tuple[AuditType, ...]:
    known = {one.value: one for one in AuditType}
    if any(value not in known for value in given):
        errors["type"] = "There is no such type of event."
    return tuple(dict.fromkeys(known[value] for value in given if value in known))


def _short(text: str, limit: int) -> str:
    if len(text) > limit:
        raise ValueError(f"At most {limit} characters.")
    return text


def _actor(text: str) -> str:
    """A name alone is one of this system's own: `ana` is `local/ana`."""
    return _short(whole(text), MAX_ACTOR)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("Not a time: write 2026-11-21T13:00.") from error
