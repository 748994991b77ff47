"""The opaque cursor of a list: where the last page ended. It grants nothing and is checked like any input."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

from adapters.store.proposal_reads import Position
from api.problems import Problem


def encode(position: Position) -> str:
    """Return the cursor for a position."""
    plain = json.dumps([position.created_at.isoformat(), position.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def decode(cursor: str) -> Position:
    """Return the position of a cursor.

    Raises:
        Problem: 422, we did not make this.
    """
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        moment, last = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        created_at = datetime.fromisoformat(moment)
        position = Position(created_at.astimezone(UTC), last)
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError) as error:
        raise _invalid() from error
    if created_at.tzinfo is None or not isinstance(last, str) or not last.isidentifier():
        raise _invalid()
    return position


def _invalid() -> Problem:
    return Problem(422, "cursor_invalid", "Pass `next_cursor` of the page before, unchanged.")
