"""Recorded passes over HTTP, one JSON object per line: what `sluice policy backtest` replays."""

from __future__ import annotations

import json

from adapters.store import records
from adapters.store.records import RecordFilters, RecordPosition
from api.backtest import filters
from api.parts import ApiParts

MAX_PAGE = 1_000
"""Lines of one answer."""


async def page(parts: ApiParts, wanted: RecordFilters, after: str | None, limit: int) -> bytes:
    """Return up to `limit` lines, newest first. Fewer lines than asked for: there are no more.

    A line has `cursor`, `proposal_id`, `revision`, `at`, `target`, `evaluation` (`contracts.evaluation.Evaluation`) and
    `record` (`guardrails.recording.Record`, or null where none was kept).

    Raises:
        Problem: 422, `after` is no cursor.
    """
    position = filters.decode(after) if after is not None else None
    async with parts.database.reading() as connection:
        rows = await records.first_passes(connection, parts.tenant, wanted, after=position, limit=limit)
    return b"".join(
        _line(RecordPosition(row.created_at, row.proposal_id, row.revision), row.line) for row in rows
    )


def _line(position: RecordPosition, line: str) -> bytes:
    cursor = json.dumps(filters.encode(position))
    return f'{{"cursor": {cursor}, {line[1:]}\n'.encode()
