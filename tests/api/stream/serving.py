"""The API on a real socket, with its background loops: over ASGI alone a stream is not a stream."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from sqlalchemy import select

from adapters.dispatch.loops import background_loops
from adapters.store import audit_log, halts
from adapters.store.database import Database
from adapters.store.schema import audit_events
from adapters.store.sequencer import Sequencer
from api.server import server_for
from api.stream.feed import EventFeed, Limits
from contracts.audit import AuditType
from contracts.principal import SYSTEM
from local.probes import PLAIN
from tests.adapters.store.test_sequencer import SIGNER
from tests.api.serving import Api, serving
from tests.api.stream.reading import Reading
from tests.waiting import until as until


@dataclass
class StreamingApi:
    """A served API, its address, and its server."""

    api: Api
    url: str
    server: uvicorn.Server
    feed: EventFeed
    served: asyncio.Task[None]

    @property
    def database(self) -> Database:
        return self.api.database

    @asynccontextmanager
    async def stream(
        self, *, by: str = "vera", last_event_id: int | None = None, token: str | None = None, **params: Any
    ) -> AsyncIterator[Reading]:
        headers = {"Authorization": f"Bearer {token}"} if token else self.api.headers(by)
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=60, trust_env=False, verify=PLAIN) as client,
            client.stream("GET", "/v1/stream", headers=headers, params=params) as response,
        ):
            if response.status_code != 200:
                await response.aread()
            yield Reading(response)

    async def write(self, count: int = 1, subject: str = "prp_1", tenant: str = "default") -> None:
        """Commit events; the sequencer numbers them."""
        await write(self.database, count, subject, tenant)

    async def numbers(self, types: Sequence[AuditType] = tuple(AuditType)) -> list[int]:
        """Every number of these types in the audit log, in order."""
        await self.api.parts.sequencer.checkpoint()
        wanted = select(audit_events.c.number).where(audit_events.c.type.in_(types))
        async with self.database.reading() as connection:
            return list((await connection.execute(wanted.order_by(audit_events.c.number))).scalars())


async def write(database: Database, count: int, subject: str = "prp_1", tenant: str = "default") -> None:
    async with database.transaction() as connection:
        events = [
            audit_log.event(
                AuditType.PROPOSAL_MOVED,
                tenant=tenant,
                subject=subject,
                actor=SYSTEM,
                payload={"to": "ready", "message": "agent text that must not be streamed"},
            )
            for _ in range(count)
        ]
        await audit_log.append(connection, *events)


@asynccontextmanager
async def streaming(
    database_url: str, limits: Limits | None = None, *, send_buffer: int | None = None
) -> AsyncIterator[StreamingApi]:
    """Serve on a free port with sequencer and listener beside; stop as SIGTERM does."""
    beside = Database(database_url, pool_size=5)
    loops = background_loops(beside, Sequencer(beside, SIGNER), (), halts.settle)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    if send_buffer is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    try:
        async with serving(database_url, loops=loops) as api:
            await api.parts.sequencer.checkpoint()
            feed = api.app.state.feed = EventFeed(api.database, api.parts.tenant, limits)
            server = server_for(api.app, "127.0.0.1", 0)
            served = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                await until(lambda: server.started)
                host, port = listening.getsockname()
                yield StreamingApi(api, f"http://{host}:{port}", server, feed, served)
            finally:
                server.should_exit = True
                await asyncio.wait_for(served, 60)
    finally:
        listening.close()
        await beside.close()
