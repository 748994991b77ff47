"""Every benchmark runs, gives every figure, and its pictures can be drawn. So small a run says nothing about speed.

The real Temporal server is built for figures alone: here all of them share a dev server, a PostgreSQL and a stack.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from benchmarks import backtest, cost, inbox, recovery, scale, streams, waiting
from benchmarks.catalogue import BENCHMARKS
from benchmarks.copies import copy_closed
from benchmarks.drawing import svg
from benchmarks.floor import __main__ as floor
from benchmarks.floor import survival
from benchmarks.floor.contenders import Contender
from benchmarks.floor.contest import OPENINGS, Effort, contest, open_floor
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import Measured
from benchmarks.floor.server import BenchServer, scratch
from benchmarks.floor.sluice import Sluice, sluice_on
from benchmarks.floor.temporal import dev_server
from benchmarks.postgres import OpenDatabase, running_postgres
from benchmarks.report import Result
from benchmarks.stored import stored
from proofs.catalogue import Size
from proofs.suite import run
from tests.e2e.practice_ground import DEVELOPMENT, PRODUCTION

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

FAST_AND_LOOSE = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}
PATIENT = {
    "SLUICE_GKE__OPERATION_TIMEOUT": recovery.OPERATION_TIMEOUT,
    "SLUICE_GKE__CALL_TIMEOUT": "PT20S",
    "SLUICE_OPA__TIMEOUT": "PT30S",
}
"""On a busy machine nobody has gone who answers late."""
GROUND = BenchGround(12, (PRODUCTION, DEVELOPMENT), breaker={"failures": recovery.FAILURES})
FLOOR, SURVIVAL, COST = GROUND.slots[0:1], GROUND.slots[1:2], GROUND.slots[2:4]
SCALE, RECOVERY = GROUND.slots[4:5], GROUND.slots[5:12]
EFFORT = Effort(rounds=1, slots=len(FLOOR), alone=1, paced=1, seconds=0.0, warm_up=0)
EXTENT = scale.Extent(
    waiting=waiting.Extent(clusters=1, pools=1, pending=(1, 20), approved=1, loads=1),
    stored=(50, 100),
    alone=1,
    loads=1,
    seconds=0.0,
    rounds=1,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[BenchServer]:
    async with running_postgres(FAST_AND_LOOSE) as (postgres, postgres_pid):
        with scratch() as directory:
            async with dev_server(directory) as temporal:
                yield BenchServer(temporal.address, postgres, temporal.pid, postgres_pid)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def others(server: BenchServer) -> dict[str, list[Measured]]:
    """What the other contenders did. They come first: an idle stack of Sluice would take from them."""
    return await contest(server, EFFORT, {name: one for name, one in OPENINGS.items() if name != "sluice"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sluice(server: BenchServer) -> AsyncIterator[Sluice]:
    async with sluice_on(server, GROUND, **PATIENT) as running:
        yield running


@pytest.fixture
def database(migrated_database_url: str) -> OpenDatabase:
    @asynccontextmanager
    async def shared() -> AsyncIterator[str]:
        yield migrated_database_url

    return shared


def complete(found: Result) -> list[str]:
    """Return the names of the figures of a report that is whole, and whose pictures can be drawn."""
    document = found.document()
    for chart in document["charts"]:
        assert chart["bars"]
        ElementTree.fromstring(svg(chart))  # noqa: S314 -- our own
    assert document["charts"]
    assert all(one.value for one in found.figures)
    return [one.name for one in found.figures]


async def test_a_guard_pass_is_timed(tmp_path: Path) -> None:
    [guard] = [replace(one, quick=("--quick", "--rounds", "3")) for one in BENCHMARKS if one.name == "guard"]
    [outcome] = await run([guard], tmp_path, lanes=1, size=Size.QUICK)
    assert outcome.holds, outcome.last_words


async def test_pages_of_the_inbox_are_timed_and_weighed(database: OpenDatabase) -> None:
    pages, weight = await inbox.measure(waiting=20, loads=2, warm_up=0, database=database)
    assert "first page: p95" in complete(inbox.result(20, pages, weight, "", 0.0))


async def test_decisions_beside_open_streams_are_timed(database: OpenDatabase) -> None:
    rounds = await streams.measure(3, 1, decisions=4, database=database)
    assert "p95 without, with" in complete(streams.result(rounds, 3, "", 0.0))


async def test_a_backtest_is_timed(database: OpenDatabase) -> None:
    took, report = await backtest.measure(50, database)
    result = backtest.result(50, took, report, "", 0.0)
    assert complete(result)
    assert report["replayed"] == 50


async def test_every_contender_governs_changes_beside_its_floor(
    server: BenchServer, others: dict[str, list[Measured]], sluice: Sluice
) -> None:
    @asynccontextmanager
    async def shared(_: BenchServer, __: Path, ___: BenchGround) -> AsyncIterator[Contender]:
        yield sluice

    found = others | await contest(server, EFFORT, {"sluice": shared})
    names = complete(floor.result(found, "", 0.0))
    for name in OPENINGS:
        assert f"{name}: changes per second" in names
        assert f"{name}: approve → effect, saturated, ms p50 / p99" in names


async def test_the_floor_decides_on_what_waits_and_has_sixteen_events(
    server: BenchServer,
) -> None:
    with scratch("floor") as directory:
        async with open_floor(server, directory, GROUND) as contender:
            change_id = await contender.propose(FLOOR[0], 2)
            await contender.judged(change_id)
            await contender.approve(change_id)
            await contender.ended(change_id)
            history = await contender.client.get_workflow_handle(change_id).fetch_history()
    assert len(history.events) == 16


async def test_a_change_survives_a_killed_worker(sluice: Sluice) -> None:
    title = "killed after the effect"
    found = await survival.survive(sluice, SURVIVAL, [title])
    assert found[title].is_right, found[title].text
    assert complete(survival.result({"sluice": found}, "", 0.0)) == [f"sluice: {title}"]


async def test_the_cost_of_each_kind_of_proposal_is_told(sluice: Sluice) -> None:
    found = await cost.pay_for_each(sluice, COST, GROUND.places(DEVELOPMENT)[0], 1, rounds=1)
    names = complete(cost.result(found, 1, "", 0.0))
    for kind in cost.KINDS:
        assert {f"{kind}: rows", f"{kind}: processor ms"} <= set(names)


async def test_what_much_of_everything_does_is_told(sluice: Sluice) -> None:
    waited = await waiting.waited(sluice, SCALE, EXTENT.waiting)

    @asynccontextmanager
    async def shared(count: int) -> AsyncIterator[Sluice]:
        await copy_closed(sluice.pool, count)
        yield sluice

    closed = await stored(
        shared,
        SCALE,
        EXTENT.stored,
        partial(waiting.load_lists, loads=EXTENT.loads),
        rounds=EXTENT.rounds,
        alone=EXTENT.alone,
        seconds=EXTENT.seconds,
    )
    workers = await scale.workers(sluice, SCALE, EXTENT)
    names = complete(scale.result(scale.Scaled(waited, closed, workers), "", 0.0))
    judged = [
        "1 pending: list p95",
        "20 pending: list p95",
        "20 pending, 1 of them in workflows: most memory of the worker",
    ]
    assert set(judged) <= set(names)
    assert set(judged) <= set(complete(waiting.result(waited, "", 0.0)))
    for count in EXTENT.stored:
        assert f"{count} stored: decision, one in flight, ms p50 / p99" in names


async def test_what_follows_a_killed_worker_an_open_breaker_and_a_halt_is_told(sluice: Sluice) -> None:
    """The last one on the shared stack: it leaves an open breaker."""
    found = await recovery.recover(sluice, RECOVERY, 2)
    assert found.halt_held
    assert "halt → effective" in complete(recovery.result(found, "", 0.0))
