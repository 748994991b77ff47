"""AUDIT as a table (RFC 4180): one row per event, for a spreadsheet. Unlike the JSON lines it proves nothing.

A cell that a spreadsheet could take for a formula gets an apostrophe before it (OWASP, "CSV Injection"): full-width
signs count too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from api.audit.schemas import NumberedEvent
from contracts.audit import AuditEvent

COLUMNS = ("number", "at", "type", "subject", "actor", "summary", "leaf_hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def header_row() -> bytes:
    """Return the first line."""
    return _written([COLUMNS])


def event_rows(items: Iterable[NumberedEvent]) -> bytes:
    """Return one line per event."""
    return _written(
        (
            str(item.number),
            *_about(item.event),
            item.summary,
            item.leaf_hash,
        )
        for item in items
    )


def _about(event: AuditEvent | None) -> tuple[str, str, str, str]:
    if event is None:
        return ("", "", "", "")
    return (event.at.isoformat(), event.type.value, event.subject, event.actor.spelled)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _written(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()
