"""The file by which a worker says that it polls: there while all its queues are served, and never left behind."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import BrokenExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.messages import HOUSEKEEPING_WORKFLOW, Swept
from local.bound import bound_command
from local.environment import module_command, own_environment
from settings import GkeSettings, TemporalSettings
from tests.e2e import processes
from tests.test_bootstrap import whole
from tests.waiting import until
from worker import Registration, build_workers, run_workers
from workflows.housekeeping import HousekeepingWorkflow

Sweep = Callable[[], Awaitable[Swept]]


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter)


def is_there(file: Path) -> bool:
    return file.exists()


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    return tmp_path / "worker.ready"


@pytest.fixture
def left_behind(ready: Path) -> Path:
    ready.touch()
    return ready


class FailsAtTheSecond(Interceptor):
    """Fails the worker for good once an activity is called for the second time."""

    calls = 0

    def intercept_activity(self, inner: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Failing(inner, self)


class _Failing(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, counting: FailsAtTheSecond) -> None:
        super().__init__(inner)
        self._counting = counting

    async def execute_activity(self, call: ExecuteActivityInput) -> Any:
        self._counting.calls += 1
        if self._counting.calls > 1:
            raise BrokenExecutor
        return await super().execute_activity(call)


class Serving:
    """The workers of one process, with an activity that a test gives."""

    def __init__(self, client: Client, sweep: Sweep, ready: Path, *around: Interceptor) -> None:
        self.client = client
        self.queue = f"ready-{uuid.uuid4().hex}"
        self.stop = asyncio.Event()
        registrations = {self.queue: Registration([sweep], [HousekeepingWorkflow])}
        workers = build_workers(client, registrations, interceptors=around, stop=self.stop)
        self.run = asyncio.create_task(run_workers(workers, registrations, self.stop, ready_file=ready))

    async def begin(self) -> None:
        """Have the activity run."""
        await self.client.start_workflow(
            HOUSEKEEPING_WORKFLOW,
            id=uuid.uuid4().hex,
            task_queue=self.queue,
            run_timeout=timedelta(minutes=2),
        )


@asynccontextmanager
async def serving(client: Client, sweep: Sweep, ready: Path, *around: Interceptor) -> AsyncIterator[Serving]:
    started = Serving(client, sweep, ready, *around)
    try:
        await until(lambda: ready.exists() or started.run.done())
        yield started
    finally:
        started.stop.set()
        await asyncio.gather(started.run, return_exceptions=True)


async def test_a_worker_that_is_to_stop_is_not_ready_while_it_ends_what_it_holds(
    client: Client, ready: Path
) -> None:
    holds, was_ready = asyncio.Event(), []

    @activity.defn(name="sweep")
    async def sweep() -> Swept:
        holds.set()
        await activity.wait_for_worker_shutdown()
        was_ready.append(is_there(ready))
        return Swept(done={})

    async with serving(client, sweep, ready) as started:
        await started.begin()
        await holds.wait()
        assert is_there(ready)
        started.stop.set()
        await started.run
    assert was_ready == [False]


async def test_a_worker_that_failed_is_not_ready_while_it_ends_what_it_holds(
    client: Client, ready: Path
) -> None:
    holds, saw_it_go = asyncio.Event(), asyncio.Event()

    @activity.defn(name="sweep")
    async def sweep() -> Swept:
        holds.set()
        await activity.wait_for_worker_shutdown()
        await until(lambda: not ready.exists())
        saw_it_go.set()
        return Swept(done={})

    async with serving(client, sweep, ready, FailsAtTheSecond()) as started:
        await started.begin()
        await holds.wait()
        await started.begin()
        with pytest.raises(RuntimeError, match="failed"):
            await started.run
    assert saw_it_go.is_set()


async def test_workers_that_cannot_run_are_never_ready(temporal_address: str, ready: Path) -> None:
    nowhere = await Client.connect(temporal_address, namespace="nowhere")

    @activity.defn(name="sweep")
    async def sweep() -> Swept:
        raise AssertionError

    async with serving(nowhere, sweep, ready) as started:
        assert not is_there(ready)
        with pytest.raises(RuntimeError, match="nowhere"):
            await started.run


@pytest.mark.parametrize("refused", ["without a mode", "in a namespace that is not there"])
async def test_the_file_of_a_killed_worker_says_nothing_about_the_next_one(
    temporal_address: str, tmp_path: Path, left_behind: Path, refused: str
) -> None:
    """The next one does not come up."""
    temporal = TemporalSettings(address=temporal_address, namespace="nowhere")
    changes = {"gke": GkeSettings()} if refused == "without a mode" else {"temporal": temporal}
    settings = whole(tmp_path, ready_file=left_behind, **changes)
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *bound_command([*module_command("cli.main", "worker", "--queues", "agent")]),
            env=own_environment(settings),
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(120):
            assert await process.wait() != 0, log.read_text()
    finally:
        await processes.end(process)
    assert not is_there(left_behind), log.read_text()
