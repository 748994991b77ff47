"""Which recorded passes, from the query of a URL; and the cursor that every line of an answer carries."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from adapters.store.records import RecordFilters, RecordPosition
from api.moments import Moment
from api.problems import Problem


def filters(
    since: Annotated[Moment | None, Query(description="Passes at or after this moment.")] = None,
    until: Annotated[Moment | None, Query(description="Passes before this moment.")] = None,
    environment: Annotated[str | None, Query(min_length=1, max_length=63)] = None,
    team: Annotated[str | None, Query(min_length=1, max_length=63)] = None,
    target: Annotated[str | None, Query(min_length=1, max_length=400, description="Key of a target.")] = None,
) -> RecordFilters:
    """Return the filters of a request. A blank one is refused: it would not mean all."""
    return RecordFilters(since=since, until=until, environment=environment, team=team, target=target)


Filters = Annotated[RecordFilters, Depends(filters)]


def encode(position: RecordPosition) -> str:
    """Return the cursor for a position."""
    plain = json.dumps([position.created_at.isoformat(), *position[1:]], separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def decode(cursor: str) -> RecordPosition:
    """Return the position of a cursor.

    Raises:
        Problem: 422, we did not make this.
    """
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        moment, proposal_id, revision = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        created_at = datetime.fromisoformat(moment)
        position = RecordPosition(created_at.astimezone(UTC), proposal_id, revision)
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError) as error:
        raise _invalid() from error
    is_one = isinstance(proposal_id, str) and proposal_id.isidentifier() and type(revision) is int
    if created_at.tzinfo is None or not is_one or not 0 < revision < 2**31:
        raise _invalid()
    return position


def _invalid() -> Problem:
    return Problem(422, "cursor_invalid", "Pass the `cursor` of the last line, unchanged.")
