"""Starts each contender in turn on one server, round after round, so that all meet the same machine."""

from __future__ import annotations

import itertools
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.floor import change
from benchmarks.floor.addresses import Addresses
from benchmarks.floor.calm import settle
from benchmarks.floor.contenders import Contender, Floor, Graph, Naive, WorkerProcess, working
from benchmarks.floor.graph import TABLES as RUNS
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import RATE, Measured, drive
from benchmarks.floor.news import told_of
from benchmarks.floor.programs import opa_program
from benchmarks.floor.saying import told_to
from benchmarks.floor.server import BenchServer, scratch
from benchmarks.floor.sluice import sluice
from benchmarks.floor.temporal import dev_server
from contracts.base import new_id
from proofs.report import say
from tests.gke_fixtures import EmulatorProcess
from tests.opa_fixtures import opa_process

_JUDGED = "NEW.state IN ('awaiting', 'denied')"
_OVER = "NEW.status IN ('done', 'denied')"
Opening = Callable[[BenchServer, Path, BenchGround], AbstractAsyncContextManager[Contender]]


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    slots: int
    alone: int
    paced: int
    """Changes that are begun at `load.RATE`."""
    seconds: float
    """At saturation."""
    warm_up: int = 4


FULL = Effort(rounds=3, slots=16, alone=10, paced=40, seconds=12.0)
QUICK = Effort(rounds=1, slots=4, alone=2, paced=4, seconds=3.0, warm_up=1)


@asynccontextmanager
async def open_floor(server: BenchServer, directory: Path, _: BenchGround) -> AsyncIterator[Floor]:
    """Run the floor's worker."""
    client = await server.namespace()
    given = Addresses(server.address, client.namespace, "", "", "", "")
    heard_at = directory / "waiting"
    async with (
        told_to(heard_at) as waiting,
        working(WorkerProcess("benchmarks.floor.bare", given, directory)) as worker,
    ):
        yield Floor(worker, server, client, waiting, heard_at)


@asynccontextmanager
async def open_dev_floor(
    server: BenchServer, directory: Path, ground: BenchGround
) -> AsyncIterator[Contender]:
    """Run the floor on a dev server of its own, as a second line. The real server stands idle meanwhile."""
    async with dev_server(directory) as temporal:
        await settle([temporal.pid])
        own = replace(server, address=temporal.address, temporal_pid=temporal.pid)
        async with open_floor(own, directory, ground) as floor:
            yield replace(floor, name="floor-dev", has_database=False)


@asynccontextmanager
async def open_plain(
    name: str, server: BenchServer, directory: Path, ground: BenchGround
) -> AsyncIterator[Contender]:
    """Run the worker of `naive` or `langgraph`, with a database, an OPA and a provider of its own."""
    database, client = await server.database(new_id(name).lower()), await server.namespace()
    fleet, _ = ground.write(directory)
    emulator = EmulatorProcess(directory / "gke.jsonl", fleet=str(fleet), state_path=directory / "gke.json")
    await emulator.start()
    try:
        with opa_process(opa_program()) as (opa, opa_pid):
            pool = await change.open_pool(database)
            await pool.execute(change.TABLES + RUNS)
            given = Addresses(
                server.address, client.namespace, database, opa, emulator.address, emulator.compute_url
            )
            module = "benchmarks.floor.naive" if name == "naive" else "benchmarks.floor.graph"
            async with (
                told_of(database, "changes", _JUDGED, "NEW.id || ' ' || NEW.state") as waiting,
                told_of(database, "runs", _OVER, "NEW.thread || ' ' || NEW.status") as over,
                working(WorkerProcess(module, given, directory)) as worker,
            ):
                common = (worker, server, pool, waiting, opa_pid, emulator)
                yield Naive(*common, client) if name == "naive" else Graph(*common, over)
            await pool.close()
    finally:
        await emulator.stop()


@asynccontextmanager
async def open_sluice(
    server: BenchServer, directory: Path, ground: BenchGround, **changes: str
) -> AsyncIterator[Contender]:
    """Run the whole of Sluice; `changes` are settings by their variable."""
    async with sluice(server, directory, ground, **changes) as contender:
        yield contender


OPENINGS: dict[str, Opening] = {
    "floor": open_floor,
    "floor-dev": open_dev_floor,
    "sluice": open_sluice,
    "naive": partial(open_plain, "naive"),
    "langgraph": partial(open_plain, "langgraph"),
}


def turns(names: Sequence[str], rounds: int) -> list[list[str]]:
    """Return who comes when: each round goes on from the one before with another step through the same circle.

    What one leaves the servers to do weighs on the next. With five contenders nobody follows the same one twice in four
    rounds; of any two, the second round has each behind the one that came behind it in the first.
    """
    count = len(names)
    steps = sorted(
        (step for step in range(1, count + 1) if math.gcd(step, count) == 1),
        key=lambda step: min(step, count - step),
    )
    return [
        [names[(step * place - 1) % count] for place in range(1, count + 1)]
        for step in itertools.islice(itertools.cycle(steps), rounds)
    ]


async def contest(
    server: BenchServer, effort: Effort, openings: Mapping[str, Opening]
) -> dict[str, list[Measured]]:
    """Run every contender once per round; return what each did."""
    found: dict[str, list[Measured]] = {name: [] for name in openings}
    for number, order in enumerate(turns(list(openings), effort.rounds)):
        for name in order:
            ground = BenchGround(effort.slots)
            with scratch(name) as directory:
                async with openings[name](server, directory, ground) as contender:
                    measured = await drive(
                        contender,
                        ground.slots,
                        warm_up=effort.warm_up,
                        alone=effort.alone,
                        paced=effort.paced,
                        seconds=effort.seconds,
                    )
            found[name].append(measured)
            say(
                f"round {number + 1} of {effort.rounds}: {name} {measured.throughput():.1f}/s, "
                f"{measured.cpu_ms():.0f} ms of processor per change, {measured.paced_ms():.0f} at {RATE:g}/s"
            )
    return found
