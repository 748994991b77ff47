"""Sluice as a contender: `sluice up` with its own worker and API, on the bench server.

A change is proposed and approved over HTTP, as people and programs do. What is set otherwise than shipped is in
`tests/e2e/stack.py` (times of the provider) and `benchmarks/floor/ground.py` (limits); docs/performance.md names it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from temporalio.client import Client
from temporalio.service import RPCError

from benchmarks.floor.news import News, told_of
from benchmarks.floor.programs import opa_program
from benchmarks.floor.server import BenchServer, bench_server, scratch
from contracts.messages import FLEET_SCHEDULE, HOUSEKEEPING_SCHEDULE, Standing, proposal_workflow_id
from settings import GkeSettings
from tests.e2e.practice_ground import Ground, Place
from tests.e2e.stack import Programs, Stack, running_stack
from tests.gke_fixtures import EmulatorProcess

_TIMES = ("call_timeout", "operation_timeout", "poll_interval")
AS_SHIPPED = {
    f"SLUICE_GKE__{name.upper()}": str(GkeSettings.model_fields[name].default.total_seconds())
    for name in _TIMES
}
"""Settings by their variable: the times of the provider that a stack of a test has shorter."""
ENDS_WITHIN = 300.0
"""Seconds. Whoever waits longer waits for something that will not come."""
_JUDGED = "NEW.state = 'awaiting_approval' OR NEW.closed_at IS NOT NULL"
_SHOWN = "concat_ws(' ', NEW.id, NEW.state, NEW.digest, NEW.revision)"
"""What a reviewer must be shown to decide, and whether there is something to decide."""


@dataclass
class Sluice:
    """A running stack; `stack` knows its processes."""

    stack: Stack
    server: BenchServer
    client: Client
    pool: asyncpg.Pool
    http: httpx.AsyncClient
    waiting: News
    dsn: str
    name: str = "sluice"

    @property
    def emulator(self) -> EmulatorProcess:
        """The provider."""
        return self.stack.emulator

    @property
    def roles(self) -> Mapping[str, Sequence[int]]:
        """`api` starts, decides and numbers the audit log: for the others the driver does what they have of it."""
        return {
            "worker": [self._pid("worker")],
            "policy": [self._pid("opa")],
            "api": [self._pid("api")],
            "temporal": [self.server.temporal_pid],
            "database": [self.server.postgres_pid],
        }

    async def propose(self, place: Place, node_count: int, pool: str = "web") -> str:
        """POST a proposal."""
        body = {"action": place.resize(node_count, pool), "reason": "the queue grows"}
        answer = await self.http.post("/v1/proposals", json=body, headers=self.header_of("requester"))
        answer.raise_for_status()
        return str(answer.json()["proposal_id"])

    async def judged(self, change_id: str) -> None:
        """Hear of it from the table.

        Raises:
            RuntimeError: it was refused.
        """
        state, *_ = await self.waiting.of(change_id)
        if state != "awaiting_approval":
            raise RuntimeError(f"{change_id} is {state}: nobody is asked")

    async def approve(self, change_id: str) -> None:
        """POST a decision."""
        _, digest, revision = await self.waiting.of(change_id)
        body = {"decision": "approve", "revision": int(revision), "digest": digest, "reason": "looked at it"}
        path = f"/v1/proposals/{change_id}/decisions"
        answer = await self.http.post(path, json=body, headers=self.header_of("approver"))
        answer.raise_for_status()

    async def ended(self, change_id: str) -> float:
        """Wait for the workflow.

        Raises:
            RuntimeError: it did not succeed.
            TimeoutError: it has not ended in time.
        """
        standing = await self._standing(change_id)
        if standing.state != "succeeded":
            raise RuntimeError(f"{change_id} ended as {standing.state}: {standing.reason_code}")
        return 0.0

    async def state_after(self, change_id: str) -> str:
        """Return the state in which it ended.

        Raises:
            TimeoutError: it has not, in time.
        """
        return str((await self._standing(change_id)).state)

    async def _standing(self, change_id: str) -> Standing:
        path = proposal_workflow_id(change_id)
        handle: Any = self.client.get_workflow_handle(path, result_type=Standing)
        try:
            async with asyncio.timeout(ENDS_WITHIN):
                standing: Standing = await handle.result()
        except TimeoutError as error:
            where = await self.pool.fetchrow("SELECT state, held_on FROM proposals WHERE id = $1", change_id)
            raise TimeoutError(f"{change_id} has not ended within {ENDS_WITHIN:.0f} s: {where}") from error
        return standing

    async def kill(self) -> None:
        """SIGKILL; the supervisor of `sluice up` starts the next one by itself."""
        os.kill(self._pid("worker"), signal.SIGKILL)

    async def revive(self) -> None:
        """Wait for the supervisor to have done so."""
        await self.stack.back("worker")

    def second(self) -> AbstractAsyncContextManager[Any]:
        """Run another worker with the same settings."""
        return self.stack.beside("worker")

    def _pid(self, part: str) -> int:
        pid = self.stack.pid(part)
        if pid is None:
            raise RuntimeError(f"{part} does not run")
        return pid

    def header_of(self, name: str) -> dict[str, str]:
        """Return what makes a call somebody's, by local identity."""
        return {"Authorization": f"Bearer {self.stack.tokens[name]}"}


@asynccontextmanager
async def sluice(
    server: BenchServer, directory: Path, ground: Ground, *, database: str | None = None, **changes: str
) -> AsyncIterator[Sluice]:
    """Run the stack meanwhile, in a namespace of its own; `changes` are settings by their variable.

    Without `database` it gets a new one; with it, that one is made where it is missing.
    """
    # The Temporal that it could start itself is not needed.
    programs = Programs(temporal=Path("temporal"), opa=opa_program())
    name = database or f"sluice_{os.urandom(4).hex()}"
    dsn, client = await server.database(name), await server.namespace()
    settings: dict[str, Any] = {
        "SLUICE_DATABASE__URL": server.postgres.url(name),
        "SLUICE_TEMPORAL__ADDRESS": server.address,
        "SLUICE_TEMPORAL__NAMESPACE": client.namespace,
    } | changes
    async with (
        _leaving_nothing(client),
        _told_why(directory),
        running_stack(directory, programs, ground, **settings) as stack,
        asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool,
        told_of(dsn, "proposals", _JUDGED, _SHOWN) as waiting,
        httpx.AsyncClient(base_url=stack.url, timeout=180, trust_env=False) as http,
    ):
        yield Sluice(stack, server, client, pool, http, waiting, dsn)


@asynccontextmanager
async def _leaving_nothing(client: Client) -> AsyncIterator[None]:
    """Take the schedules away afterwards: on the server that others use next they would go on."""
    try:
        yield
    finally:
        for name in (FLEET_SCHEDULE, HOUSEKEEPING_SCHEDULE):
            with suppress(RPCError):  # It did not come to that.
                await client.get_schedule_handle(name).delete()


@asynccontextmanager
async def _told_why(directory: Path) -> AsyncIterator[None]:
    """Say what the stack said when it did not start: its files are gone afterwards."""
    try:
        yield
    except AssertionError as error:
        raise RuntimeError((directory / "up.log").read_text(encoding="utf-8")[-3_000:]) from error


@asynccontextmanager
async def sluice_on(server: BenchServer, ground: Ground, **changes: str) -> AsyncIterator[Sluice]:
    """The same in a directory that is thrown away."""
    with scratch("sluice") as directory:
        async with sluice(server, directory, ground, **changes) as running:
            yield running


@asynccontextmanager
async def sluice_alone(ground: Ground, **changes: str) -> AsyncIterator[Sluice]:
    """The same on a server of its own."""
    async with bench_server() as server, sluice_on(server, ground, **changes) as running:
        yield running
