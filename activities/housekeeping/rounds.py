"""HOUSEKEEPING of what has no workflow any more: which that is, only Temporal knows, and it is asked one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, select, tuple_

from adapters.store.database import Database

AT_MOST = 100
"""Workflows asked about in one round, the oldest first; the others come in the next."""

IsRunning = Callable[[str], Awaitable[bool]]
"""Tells whether a workflow, given by its id, still runs."""


class Rounds:
    """Walks through rows of a table, a hundred a round. A round goes on behind what the last one asked about.

    So neither what runs on, nor what Temporal could not be asked about, keeps the others from their turn.
    """

    def __init__(
        self,
        database: Database,
        is_running: IsRunning,
        workflow_id: Callable[[str], str],
        since: Column[Any],
        row_id: Column[Any],
    ) -> None:
        """`since`, `row_id`: columns of the rows, which are walked through in this order."""
        self._database = database
        self._is_running = is_running
        self._workflow_id = workflow_id
        self._place = (since, row_id)
        self._last: tuple[datetime, str] | None = None

    async def without_workflow(self, *wanted: ColumnElement[bool]) -> AsyncIterator[str]:
        """Yield the id of each row that is wanted and has no workflow that runs, as soon as Temporal has said so.

        Raises:
            WorkflowUnavailable: Temporal did not answer.
        """
        rows = select(*self._place).where(*wanted).order_by(*self._place).limit(AT_MOST)
        if self._last is not None:
            rows = rows.where(tuple_(*self._place) > tuple_(*self._last))
        async with self._database.reading() as connection:
            found = (await connection.execute(rows)).all()
        for since, row_id in found:
            self._last = since, row_id
            if not await self._is_running(self._workflow_id(row_id)):
                yield row_id
        if len(found) < AT_MOST:
            self._last = None
