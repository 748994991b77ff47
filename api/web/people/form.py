"""The form of a delegation, on its way to `api/approvers/service.py`: every field is text, times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import ValidationError

from api.approvers.schemas import DelegationBody
from api.web.forms import FieldRefused, words_in
from contracts.delegation import MAX_REASON

FORM = "delegate"
_SCOPE = ("environment", "team")


def body_of(fields: Mapping[str, str]) -> DelegationBody:
    """Return what the form asks for. A field that is left empty says nothing; none of them means "all people".

    Raises:
        FieldRefused: names the field.
    """
    until = _moment(fields, "until")
    to = fields.get("to", "").strip()
    if not to:
        raise FieldRefused("to", "Name the person who decides meanwhile.")
    if until is None:
        raise FieldRefused("until", "Say when it ends.")
    given = {
        "to": to,
        "until": until,
        "reason": words_in(fields, needed="Say why. Everybody concerned sees it.", most=MAX_REASON),
        "scope": {name: fields[name].strip() for name in _SCOPE if fields.get(name, "").strip()},
        "starts_at": _moment(fields, "starts_at"),
        "delegator": fields.get("delegator", "").strip() or None,
    }
    try:
        return DelegationBody.model_validate(given)
    except ValidationError as error:
        raise _refused(error) from error


def _moment(fields: Mapping[str, str], name: str) -> datetime | None:
    typed = fields.get(name, "").strip()
    if not typed:
        return None
    try:
        found = datetime.fromisoformat(typed)
    except ValueError as error:
        raise FieldRefused(name, "Write a day and a time, such as 2026-12-08 18:00. It is UTC.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _refused(error: ValidationError) -> FieldRefused:
    first = error.errors(include_url=False)[0]
    return FieldRefused(str(first["loc"][-1]), f"{first['msg'].removeprefix('Value error, ')}.")
