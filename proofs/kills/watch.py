"""Looks at the path from outside, many times a second: the open rows, and what the provider served since."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg

from emulators.gke.log import ServedCall
from proofs.kills.points import PLANNED, RECEIVED, Effect, Standing, point_of

PAUSE = 0.02
"""Seconds between two looks."""
KEPT_CALLS = 200
"""Newest calls per cluster that points are told by."""
RECORDS = ("proposal.%", "intent.%", "effect.%", "receipt.%", "verification.%", "request.closed", "lease.%")

_OPEN = """
SELECT p.id, p.state, p.state_since, p.revision, p.action_kind, p.target_key, p.held_on,
    NOT EXISTS (SELECT 1 FROM outbox o WHERE o.subject = p.id AND o.kind = 'start_proposal' AND o.done_at IS NULL)
        AS is_told,
    (SELECT count(*) FROM evaluations e WHERE e.proposal_id = p.id AND e.revision = p.revision) AS passes,
    coalesce((SELECT (e.result ->> 'admitted')::boolean FROM evaluations e WHERE e.proposal_id = p.id
        AND e.revision = p.revision ORDER BY e.pass_number DESC LIMIT 1), false) AS is_admitted,
    (SELECT count(*) FROM decisions d WHERE d.proposal_id = p.id AND d.revision = p.revision
        AND d.status = 'recorded') AS recorded,
    (SELECT count(*) FROM decisions d WHERE d.proposal_id = p.id AND d.revision = p.revision
        AND d.status = 'applied') AS applied
FROM proposals p WHERE p.closed_at IS NULL
    AND p.state IN ('evaluating', 'awaiting_approval', 'ready', 'executing', 'verifying', 'rolling_back')"""
_INTENTS = """
SELECT i.proposal_id, i.step, i.fence, (i.document ->> 'fence')::bigint AS written_fence, i.created_at, i.operation,
    i.receipt IS NOT NULL AS has_receipt, i.settled_at IS NOT NULL AS is_settled, i.key
FROM intents i WHERE i.proposal_id = ANY($1::text[])"""
_REQUESTS = "SELECT id, status FROM requests WHERE closed_at IS NULL"


@dataclass(frozen=True)
class View:
    """One look."""

    at: datetime
    """When it began: what somebody did after that may be missing."""
    points: Mapping[str, str]
    """Open proposals and requests, each with its point."""
    states: Mapping[str, str]
    """Open proposals, each with its state."""
    in_flight: int = 0
    """Open proposals that no breaker holds: what waits for a breaker is no load."""


@dataclass
class Watcher:
    """Keeps the newest view. A database that is away leaves the last one standing."""

    dsn: str
    served: Callable[[], Iterator[ServedCall]]
    view: View = field(default_factory=lambda: View(datetime.now(UTC), {}, {}))
    _calls: dict[str, list[ServedCall]] = field(default_factory=lambda: defaultdict(list))
    _clusters: dict[str, str] = field(default_factory=dict)
    """Operation → cluster."""
    _one_look: asyncio.Lock = field(default_factory=asyncio.Lock)
    _connection: asyncpg.Connection[Any] | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look again and again while the block runs."""
        task = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if self._connection is not None:
                await self._connection.close()

    async def look(self) -> View:
        """Look once. Raises what asyncpg raises while the database is away."""
        async with self._one_look:
            return await self._look()

    async def _look(self) -> View:
        began = datetime.now(UTC)
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.dsn, timeout=2)
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await self._connection.fetch(_OPEN, timeout=5)
            intents = await self._connection.fetch(_INTENTS, [row["id"] for row in rows], timeout=5)
            requests = await self._connection.fetch(_REQUESTS, timeout=5)
        self._read_log()
        standing = [_standing(row, intents) for row in rows]
        points = {one.id: point_of(one, self._calls[one.cluster]) for one in standing}
        points |= {row["id"]: RECEIVED if row["status"] == "received" else PLANNED for row in requests}
        states = {one.id: one.state for one in standing}
        self.view = View(began, points, states, in_flight(standing))
        return self.view

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Ask the database something else, over a connection of its own."""
        connection = await asyncpg.connect(self.dsn, timeout=2)
        try:
            return list(await connection.fetch(statement, *values, timeout=5))
        finally:
            await connection.close()

    async def _keep_looking(self) -> None:
        while True:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await self.look()
            await asyncio.sleep(PAUSE)

    def _read_log(self) -> None:
        for call in self.served():
            cluster = "/".join((call.project, call.location, call.cluster))
            if call.method == "GetOperation":
                # It names the operation only.
                cluster = self._clusters.get(str(call.request.get("name", "")).rpartition("/")[2], cluster)
            if call.operation:
                self._clusters[call.operation] = cluster
            kept = self._calls[cluster]
            kept.append(call)
            del kept[:-KEPT_CALLS]


def in_flight(open_ones: Iterable[Standing]) -> int:
    """Count the open proposals that no breaker holds."""
    return sum(not (one.held_on or "").startswith("breaker:") for one in open_ones)


def _standing(row: Any, intents: list[Any]) -> Standing:
    effects = {
        one["step"]: Effect(
            fence=one["fence"],
            written_fence=one["written_fence"],
            written_at=one["created_at"],
            operation=one["operation"],
            has_receipt=one["has_receipt"],
            is_settled=one["is_settled"],
        )
        for one in intents
        if one["key"].startswith(f"{row['id']}/{row['revision']}/")
    }
    return Standing(
        id=row["id"],
        state=row["state"],
        since=row["state_since"],
        revision=row["revision"],
        kind=row["action_kind"],
        cluster="/".join(row["target_key"].split("/")[-4:-1]),
        held_on=row["held_on"],
        is_told=row["is_told"],
        passes=row["passes"],
        is_admitted=row["is_admitted"],
        recorded=row["recorded"],
        applied=row["applied"],
        forward=effects.get("forward"),
        back=effects.get("compensation"),
    )
