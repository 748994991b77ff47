"""Starts each contender in turn on one server, round after round, so that all meet the same machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg

from benchmarks.floor import change
from benchmarks.floor.contenders import Contender, Floor, Graph, Naive, WorkerProcess, working
from benchmarks.floor.graph import TABLES as RUNS
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import Measured, drive
from benchmarks.floor.programs import opa_program
from benchmarks.floor.server import BenchServer, scratch
from benchmarks.floor.sluice import sluice
from contracts.base import new_id
from proofs.report import say
from tests.gke_fixtures import EmulatorProcess
from tests.opa_fixtures import opa_process

Opening = Callable[[BenchServer, Path, BenchGround], AbstractAsyncContextManager[Contender]]


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    slots: int
    alone: int
    seconds: float
    warm_up: int = 4


FULL = Effort(rounds=3, slots=16, alone=10, seconds=20.0)
QUICK = Effort(rounds=1, slots=4, alone=2, seconds=3.0, warm_up=1)


@asynccontextmanager
async def open_floor(server: BenchServer, directory: Path, _: BenchGround) -> AsyncIterator[Contender]:
    """Run the floor's worker."""
    client = await server.namespace()
    given = change.Addresses(server.address, client.namespace, "", "", "", "")
    async with working(WorkerProcess("benchmarks.floor.bare", given, directory)) as worker:
        yield Floor(worker, server, client)


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
            given = change.Addresses(
                server.address, client.namespace, database, opa, emulator.address, emulator.compute_url
            )
            module = "benchmarks.floor.naive" if name == "naive" else "benchmarks.floor.graph"
            async with working(WorkerProcess(module, given, directory)) as worker:
                yield (
                    Naive(worker, server, client, pool, opa_pid, emulator)
                    if name == "naive"
                    else Graph(worker, server, pool, opa_pid, emulator)
                )
            await _close(pool)
    finally:
        await emulator.stop()


async def _close(pool: asyncpg.Pool) -> None:
    await pool.close()


@asynccontextmanager
async def open_sluice(server: BenchServer, directory: Path, ground: BenchGround) -> AsyncIterator[Contender]:
    """Run the whole of Sluice."""
    async with sluice(server, directory, ground) as contender:
        yield contender


OPENINGS: dict[str, Opening] = {
    "floor": open_floor,
    "sluice": open_sluice,
    "naive": partial(open_plain, "naive"),
    "langgraph": partial(open_plain, "langgraph"),
}


async def contest(server: BenchServer, effort: Effort, names: list[str]) -> dict[str, list[Measured]]:
    """Run every contender once per round, every second round in the opposite order; return what each did."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(effort.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            ground = BenchGround(effort.slots)
            with scratch(name) as directory:
                async with OPENINGS[name](server, directory, ground) as contender:
                    measured = await drive(
                        contender,
                        ground.slots,
                        warm_up=effort.warm_up,
                        alone=effort.alone,
                        seconds=effort.seconds,
                    )
            found[name].append(measured)
            say(
                f"round {number + 1} of {effort.rounds}: {name} {measured.throughput():.1f}/s, "
                f"{measured.cpu_ms():.0f} ms of processor per change"
            )
    return found
