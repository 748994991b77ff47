from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from adapters.dispatch import loops
from adapters.dispatch.dispatcher import Dispatcher
from adapters.dispatch.loops import background_loops, periodic, restarting
from adapters.dispatch.workflows import WorkflowDeliveries
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.sequencer import Sequencer
from adapters.temporal.gateway import TemporalGateway
from contracts.errors import StoreUnavailable
from contracts.messages import proposal_workflow_id
from local.bound import bound_command
from local.temporal import dev_server_command
from settings import TemporalSettings
from tests.adapters.dispatch.running import QUICK, all_done, eventually, put, running
from tests.adapters.store.samples import stored_proposal
from tests.adapters.store.test_sequencer import SIGNER
from tests.waiting import until

TINY = timedelta(milliseconds=5)


class Failing:
    """Fails a few times in its own way, then works until it is cancelled."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.works = asyncio.Event()

    async def run(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.works.set()
        await asyncio.Event().wait()


async def test_a_loop_is_started_anew_after_an_outage_and_after_a_defect() -> None:
    failing = Failing(StoreUnavailable("gone"), RuntimeError("a defect"), StoreUnavailable("gone"))
    async with running(restarting("test", failing.run, first=TINY, longest=TINY)):
        await asyncio.wait_for(failing.works.wait(), 60)


async def test_cancelling_ends_a_loop_at_once_also_while_it_pauses() -> None:
    async def fails() -> None:
        raise StoreUnavailable("gone")

    async def works() -> None:
        await asyncio.Event().wait()

    hour = timedelta(hours=1)
    for work in (fails, works):
        task = asyncio.ensure_future(restarting("test", work, first=hour, longest=hour)())
        await asyncio.sleep(0.05)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 30


async def test_a_steady_run_makes_the_pauses_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "STEADY", timedelta(milliseconds=50))
    runs = 0

    async def mostly_steady() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.06)
        raise StoreUnavailable("gone")

    # So many failures in a row would pause for longer than anybody waits here.
    async with running(restarting("test", mostly_steady, first=TINY, longest=timedelta(hours=5))):
        await until(lambda: runs > 16)


async def test_a_periodic_loop_works_again_and_again() -> None:
    count = 0

    async def work() -> None:
        nonlocal count
        count += 1

    async with running(periodic(work, TINY)):
        await until(lambda: count > 3)


async def test_what_was_promised_is_started_once_temporal_is_there(
    database: Database, temporal_binary: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    gateway = TemporalGateway(TemporalSettings(address=f"127.0.0.1:{port}"), timeout=timedelta(seconds=5))
    working = Dispatcher(database, WorkflowDeliveries(database, gateway, {"k": "v"}).by_kind(), QUICK)

    async def nothing(_: object) -> None:
        return None

    made = await stored_proposal(database)
    await put(database, OutboxKind.START_PROPOSAL, made.id)
    async with running(*background_loops(database, Sequencer(database, SIGNER), (working,), nothing)):
        await asyncio.sleep(0.5)
        assert not await all_done(database)
        server = await asyncio.create_subprocess_exec(
            *bound_command(dev_server_command(temporal_binary, port=port)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await eventually(lambda: all_done(database))
            client = await Client.connect(f"127.0.0.1:{port}")
            seen = await client.get_workflow_handle(proposal_workflow_id(made.id)).describe()
            assert seen.workflow_type == "ProposalWorkflow"
        finally:
            server.terminate()
            await server.wait()
