"""HOUSEKEEPING of requests that nobody plans any more: their workflow was terminated, failed for good, or is forgotten.

A workflow gives its request an outcome whatever becomes of the agent. What has none after hours is looked up.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from activities.housekeeping.rounds import IsRunning, Rounds
from adapters.store import requests
from adapters.store.database import Database
from adapters.store.ledger import PLANNED_WITHIN
from adapters.store.outbox import OutboxKind
from adapters.store.schema import outbox
from adapters.store.schema import requests as request_rows
from adapters.store.spelling import spelled
from contracts.configuration import ConfigurationSource
from contracts.messages import request_workflow_id
from contracts.request import RequestStatus

_OPEN = tuple(status for status in RequestStatus if not status.is_final)
_CODE = "agent_failed"
_ANSWER = "The request could not be planned. Nothing was proposed."


class UnplannedRequests:
    """A sweep of `HousekeepingActivities`. Processes may run it side by side."""

    def __init__(
        self,
        database: Database,
        configuration: ConfigurationSource,
        is_running: IsRunning,
        *,
        after: timedelta = PLANNED_WITHIN,
    ) -> None:
        """`after` is what a request is left alone for, since it was received."""
        self._database = database
        self._configuration = configuration
        self._after = after
        place = (request_rows.c.created_at, request_rows.c.id)
        self._rounds = Rounds(database, is_running, request_workflow_id, *place)

    async def close(self) -> int:
        """Close as failed what is open for long and has no workflow, and return how many.

        One whose start is still to be delivered has none yet, one that waits for a worker has: both are planned.
        """
        is_to_be_started = (
            select(outbox.c.id)
            .where(
                outbox.c.subject == request_rows.c.id,
                outbox.c.kind == OutboxKind.START_REQUEST.value,
                outbox.c.done_at.is_(None),
            )
            .exists()
        )
        is_open = spelled(request_rows.c.status, _OPEN)
        wanted = (
            request_rows.c.tenant == self._configuration.current.tenant,
            is_open,
            request_rows.c.created_at <= func.clock_timestamp() - self._after,
            ~is_to_be_started,
        )
        return sum([await self._close(one) async for one in self._rounds.without_workflow(*wanted)])

    async def _close(self, request_id: str) -> bool:
        async with self._database.transaction() as connection:
            return await requests.close(connection, request_id, RequestStatus.FAILED, _ANSWER, _CODE)
