"""The contenders as the driver sees them: begin a change, learn the verdict, approve, wait for the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from temporalio.client import Client, WorkflowHandle

from benchmarks.floor import change, graph
from benchmarks.floor.addresses import Addresses
from benchmarks.floor.bare_workflow import QUEUE as FLOOR_QUEUE
from benchmarks.floor.bare_workflow import FloorWorkflow
from benchmarks.floor.naive_workflow import QUEUE as NAIVE_QUEUE
from benchmarks.floor.naive_workflow import NaiveWorkflow
from benchmarks.floor.news import News
from benchmarks.floor.server import BenchServer
from contracts.base import new_id
from local.bound import bound_command
from local.environment import ROOT, foreign_environment, module_command
from tests.e2e.practice_ground import Place
from tests.gke_fixtures import EmulatorProcess
from tests.waiting import eventually

REVIEWER = "ben"
START_WITHIN = 180.0
"""Seconds in which a worker begins to work, also on a machine that does much else."""


class Contender(Protocol):
    """One way to govern a change, with its worker running."""

    name: str

    @property
    def emulator(self) -> EmulatorProcess | None:
        """The provider; None: it changes nothing."""
        ...

    @property
    def roles(self) -> Mapping[str, Sequence[int]]:
        """Process ids by role; `worker`, `policy`, `database`, `temporal` make up the cost of the path."""
        ...

    async def propose(self, place: Place, node_count: int) -> str:
        """Begin a change and return its id."""
        ...

    async def judged(self, change_id: str) -> None:
        """Return once it waits for a person."""
        ...

    async def approve(self, change_id: str) -> None:
        """Approve as a person's client does; return when that is acknowledged."""
        ...

    async def ended(self, change_id: str) -> float:
        """Return once it is over: 0, or when the effect took place where no provider logs it."""
        ...

    async def kill(self) -> None:
        """End the worker as a lost machine does."""
        ...

    async def revive(self) -> None:
        """Start a worker again."""
        ...

    def second(self) -> AbstractAsyncContextManager[Any]:
        """Run a second worker meanwhile."""
        ...


@dataclass
class WorkerProcess:
    """A contender's worker, which can be killed and started again."""

    module: str
    given: Addresses
    directory: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> None:
        """Start one and return when it works."""
        ready = self.directory / f"ready-{len(self.processes)}"
        with (self.directory / "worker.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *bound_command([*module_command(self.module), self.given.text(), str(ready)]),
                env={**foreign_environment(), "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)

        async def is_ready() -> bool:
            if process.returncode is not None:
                raise RuntimeError((self.directory / "worker.log").read_text(encoding="utf-8")[-3_000:])
            return ready.exists()

        await eventually(is_ready, limit=START_WITHIN)

    @asynccontextmanager
    async def another(self) -> AsyncIterator[None]:
        """Run one more meanwhile, and leave the newest one as it was."""
        before = list(self.processes)
        await self.start()
        second = self.processes[-1]
        self.processes = [second, *before]
        yield
        with contextlib.suppress(ProcessLookupError):
            second.kill()

    async def kill(self) -> None:
        """SIGKILL for the newest one."""
        with contextlib.suppress(ProcessLookupError):
            self.processes[-1].send_signal(signal.SIGKILL)
        await self.processes[-1].wait()

    async def stop(self) -> None:
        """Kill whatever runs."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @property
    def pids(self) -> list[int]:
        """Those that run."""
        return [one.pid for one in self.processes if one.returncode is None]


@dataclass
class Working:
    """A contender whose worker is a process of this program."""

    worker: WorkerProcess
    server: BenchServer

    async def kill(self) -> None:
        """End the worker."""
        await self.worker.kill()

    async def revive(self) -> None:
        """Start it again."""
        await self.worker.start()

    def second(self) -> AbstractAsyncContextManager[Any]:
        """Run another one."""
        return self.worker.another()


@dataclass
class Floor(Working):
    """A workflow, one Update, one activity that does nothing."""

    client: Client
    waiting: News
    heard_at: Path
    name: str = "floor"
    emulator: EmulatorProcess | None = None
    has_database: bool = True

    @property
    def roles(self) -> Mapping[str, Sequence[int]]:
        """Without policies. A dev server has its database in itself."""
        roles = _roles(self.server, self.worker.pids)
        return {role: pids for role, pids in roles.items() if self.has_database or role != "database"}

    async def propose(self, place: Place, node_count: int) -> str:
        """Start the workflow. `place` is not touched."""
        change_id = new_id("flr")
        heard_at = str(self.heard_at)
        await self.client.start_workflow(FloorWorkflow.run, heard_at, id=change_id, task_queue=FLOOR_QUEUE)
        return change_id

    async def judged(self, change_id: str) -> None:
        """Nothing is judged, but a decision comes when it is waited for, as a person's does."""
        await self.waiting.of(change_id)

    async def approve(self, change_id: str) -> None:
        """Send the Update."""
        await self._handle(change_id).execute_update(FloorWorkflow.decide, REVIEWER)

    async def ended(self, change_id: str) -> float:
        """Wait for the workflow."""
        return await self._handle(change_id).result()

    def _handle(self, change_id: str) -> WorkflowHandle[FloorWorkflow, float]:
        return self.client.get_workflow_handle_for(FloorWorkflow.run, change_id)


@dataclass
class HomeMade(Working):
    """What a user would write: a table of changes, a worker with the gates, OPA, a provider."""

    pool: asyncpg.Pool
    waiting: News
    opa_pid: int
    emulator: EmulatorProcess | None

    @property
    def roles(self) -> Mapping[str, Sequence[int]]:
        """With OPA."""
        return _roles(self.server, self.worker.pids) | {"policy": [self.opa_pid]}

    async def propose(self, place: Place, node_count: int) -> str:
        """Store the change and have it begun."""
        change_id = new_id("chg")
        await change.intend(self.pool, change_id, place.resize(node_count), place.name)
        await self.begin(change_id)
        return change_id

    async def judged(self, change_id: str) -> None:
        """Hear of it from the table.

        Raises:
            RuntimeError: it was refused.
        """
        if await self.waiting.of(change_id) != ["awaiting"]:
            raise RuntimeError(f"{change_id} was denied")

    async def approve(self, change_id: str) -> None:
        """Store the vote and pass it on."""
        await change.record_vote(self.pool, change_id, REVIEWER)
        await self.tell(change_id)

    async def begin(self, change_id: str) -> None:
        """Have a stored change run."""
        raise NotImplementedError

    async def tell(self, change_id: str) -> None:
        """Pass a stored vote on."""
        raise NotImplementedError


@dataclass
class Naive(HomeMade):
    """Plain Temporal: one regular activity per gate."""

    client: Client
    name: str = "naive"

    async def begin(self, change_id: str) -> None:
        """Start the workflow."""
        await self.client.start_workflow(NaiveWorkflow.run, change_id, id=change_id, task_queue=NAIVE_QUEUE)

    async def tell(self, change_id: str) -> None:
        """Send the Update."""
        await self._handle(change_id).execute_update(NaiveWorkflow.approve, REVIEWER)

    async def ended(self, change_id: str) -> float:
        """Wait for the workflow.

        Raises:
            RuntimeError: it did not change anything.
        """
        return _done(change_id, await self._handle(change_id).result())

    def _handle(self, change_id: str) -> WorkflowHandle[NaiveWorkflow, str]:
        return self.client.get_workflow_handle_for(NaiveWorkflow.run, change_id)


@dataclass
class Graph(HomeMade):
    """LangGraph with its PostgreSQL checkpointer and a table of threads."""

    over: News
    name: str = "langgraph"

    @property
    def roles(self) -> Mapping[str, Sequence[int]]:
        """Temporal runs beside it and is no part of it."""
        return {role: pids for role, pids in super().roles.items() if role != "temporal"}

    async def begin(self, change_id: str) -> None:
        """Store the thread."""
        await graph.submit(self.pool, change_id)

    async def tell(self, change_id: str) -> None:
        """Store the answer."""
        await graph.resume(self.pool, change_id, "approve")

    async def ended(self, change_id: str) -> float:
        """Wait until a worker has left the thread for good.

        Raises:
            RuntimeError: it did not change anything.
        """
        [status] = await self.over.of(change_id)
        return _done(change_id, status)


def _done(change_id: str, how: str) -> float:
    if how != "done":
        raise RuntimeError(f"{change_id} ended as {how}")
    return 0.0


def _roles(server: BenchServer, workers: Sequence[int]) -> dict[str, Sequence[int]]:
    return {"worker": workers, "temporal": [server.temporal_pid], "database": [server.postgres_pid]}


@asynccontextmanager
async def working(worker: WorkerProcess) -> AsyncIterator[WorkerProcess]:
    """Run a worker meanwhile."""
    try:
        await worker.start()
        yield worker
    finally:
        await worker.stop()
