"""Does a change cost more where more of them are stored? A part of `make bench-scale`.

One database for each count, on one server: real changes, and copies of them. In each round a stack is started anew on
every database, in every second round in the opposite order, so that neither a worker's age nor that of the server
weighs on one count alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from benchmarks.copies import copy_closed
from benchmarks.floor.calm import settle
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import PATH, Measured, drive
from benchmarks.floor.server import BenchServer, scratch
from benchmarks.floor.sluice import Sluice, sluice
from benchmarks.report import (
    Bar,
    Chart,
    Figure,
    Spread,
    percentile,
    say,
    spread_at_most,
    tails,
    told,
    up_to_p99,
)
from tests.e2e.practice_ground import Place

GROWTH = 1.1

Opening = Callable[[int], AbstractAsyncContextManager[Sluice]]
"""Runs a stack on the database with so many closed proposals."""
Listing = Callable[[Sluice], Awaitable[list[float]]]
"""Loads the list of all proposals some times, and returns how many milliseconds each took."""


@dataclass
class Stored:
    """With so many closed."""

    rounds: list[Measured] = field(default_factory=list)
    list_ms: list[float] = field(default_factory=list)
    mib: float = 0.0
    """Of the whole database, indexes included, at the beginning."""

    def cpu_ms(self) -> Spread:
        """Processor milliseconds per change."""
        return Spread.of([one.cpu_ms() for one in self.rounds])

    def throughput(self) -> Spread:
        """Changes per second."""
        return Spread.of([one.throughput() for one in self.rounds])

    def intake_ms(self) -> list[float]:
        """Until the intake of a change was acknowledged, one in flight."""
        return [1_000 * one.taken for measured in self.rounds for one in measured.alone]

    def decide_ms(self) -> list[float]:
        """Until a decision was, one in flight."""
        return [1_000 * one.acknowledged for measured in self.rounds for one in measured.alone]


@asynccontextmanager
async def databases(
    server: BenchServer, ground: BenchGround, counts: Sequence[int], seconds: float
) -> AsyncIterator[Opening]:
    """Make a database for each count, out of what was really done in `seconds`, and yield what opens a stack on one."""
    with scratch("stored") as directory:
        first = f"stored_{counts[0]}"

        def opened(count: int) -> AbstractAsyncContextManager[Sluice]:
            return sluice(server, directory, ground, database=f"stored_{count}")

        async with opened(counts[0]) as running:
            await drive(running, ground.slots, warm_up=len(ground.slots), alone=0, seconds=seconds)
        for count in counts[1:]:
            await _run(server.postgres.dsn(), f'CREATE DATABASE "stored_{count}" TEMPLATE "{first}"')
        for count in counts:
            async with asyncpg.create_pool(server.postgres.dsn(f"stored_{count}"), min_size=1) as pool:
                await copy_closed(pool, count)
            # What PostgreSQL would tidy up later, in the middle of a measurement.
            await _run(server.postgres.dsn(f"stored_{count}"), "VACUUM (ANALYZE)")
        await _run(server.postgres.dsn(), "CHECKPOINT")
        await settle([server.temporal_pid, server.postgres_pid])
        yield opened


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def stored(
    opening: Opening,
    places: Sequence[Place],
    counts: Sequence[int],
    listing: Listing,
    *,
    rounds: int,
    alone: int,
    seconds: float,
) -> dict[int, Stored]:
    """Measure at each count in turn. Lists, and `alone` changes one after the other, are part of the first round."""
    found = {count: Stored() for count in counts}
    for number in range(rounds):
        for count in counts if number % 2 == 0 else reversed(counts):
            async with opening(count) as running:
                one = found[count]
                if number == 0:
                    one.mib = await _mib(running)
                    one.list_ms = await listing(running)
                measured = await drive(
                    running, places, warm_up=len(places), alone=0 if number else alone, seconds=seconds
                )
            one.rounds.append(measured)
            say(f"{count:,} stored: {measured.cpu_ms():.0f} ms per change, {one.mib:,.0f} MiB")
    return found


async def _mib(running: Sluice) -> float:
    size = await running.pool.fetchval("SELECT pg_database_size(current_database())")
    return float(size) / 2**20


def growth(found: dict[int, Stored]) -> Figure:
    """Return what a change costs with most of them stored, beside the fewest: each round by itself."""
    fewest, *_, most = found.values()
    ratios = [b.cpu_ms() / a.cpu_ms() for a, b in zip(fewest.rounds, most.rounds, strict=True)]
    return spread_at_most("processor time per change, most stored ÷ fewest", Spread.of(ratios), GROWTH, "×")


def figures(found: dict[int, Stored]) -> list[Figure]:
    """Return what was measured, by count."""
    lines = []
    for count, one in found.items():
        parts = ", ".join(f"{role} {median:.0f}" for role, median in _parts(one).items())
        lines += [
            told(f"{count:,} stored: processor ms per change", f"{one.cpu_ms().text()}; {parts}"),
            told(f"{count:,} stored: changes per second", one.throughput().text()),
            told(f"{count:,} stored: list, ms p50 / p99", tails(one.list_ms)),
            told(f"{count:,} stored: intake, one in flight, ms p50 / p99", tails(one.intake_ms())),
            told(f"{count:,} stored: decision, one in flight, ms p50 / p99", tails(one.decide_ms())),
            told(f"{count:,} stored: MiB of the database", f"{one.mib:,.0f}"),
        ]
    return lines


def charts(found: dict[int, Stored]) -> list[Chart]:
    """Return times, processor time and size by count."""
    answers = [
        Bar(f"{count:,} stored: {name}", up_to_p99(values))
        for name, of in (
            ("list", lambda one: one.list_ms),
            ("intake", Stored.intake_ms),
            ("decision", Stored.decide_ms),
        )
        for count, one in found.items()
        if (values := of(one))
    ]
    costs = [Bar(f"{count:,} stored", one.cpu_ms(), _parts(one)) for count, one in found.items()]
    sizes = [Bar(f"{count:,} stored", Spread.of([one.mib])) for count, one in found.items()]
    return [
        Chart("answers", "Answers by what is stored: median, and up to p99", "ms", answers),
        Chart("stored", "Processor time per change by what is stored", "ms", costs),
        Chart("size", "The database by what is stored", "MiB", sizes),
    ]


def _parts(one: Stored) -> dict[str, float]:
    return {role: percentile([measured.cpu_ms(role) for measured in one.rounds], 0.5) for role in PATH}
