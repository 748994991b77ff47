"""Does it hold with many pending and many stored proposals, and with two workers? `make bench-scale`.

On Sluice as shipped over a real Temporal server. *Pending*: 1,000 proposals that wait in workflows of their own, and
9,000 more in the tables alone (copies of rows), so that lists find 10,000; then the list is loaded, and proposals
spread over all that wait are approved. *Stored*: with 1,000, 10,000 and 100,000 closed proposals, each in a database of
its own, the times of a list, an intake and a decision, what all of it weighs, and the processor time per change.
*Workers*: the same load on one and on two.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from benchmarks.copies import copy_waiting
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import Measured, drive
from benchmarks.floor.processor import resident_mib
from benchmarks.floor.server import bench_server
from benchmarks.floor.sluice import Sluice, sluice_on
from benchmarks.report import (
    Bar,
    Chart,
    Figure,
    Result,
    Spread,
    arguments,
    at_most,
    conclude,
    percentile,
    say,
    timed_at_most,
    told,
    up_to_p99,
)
from benchmarks.stored import Stored, databases, growth, stored
from benchmarks.stored import charts as stored_charts
from benchmarks.stored import figures as stored_figures
from tests.e2e.practice_ground import Place
from worker import MAX_CACHED_WORKFLOWS

LIST_MS, MEMORY_MIB, EFFECT_MS = 200.0, 2_048.0, 1_000.0
WARM_UP = 5
"""Loads of a list that are not counted."""
AT_ONCE = 16


@dataclass(frozen=True)
class Extent:
    """How much there is of everything."""

    clusters: int
    pools: int
    pending: Sequence[int]
    """Rows that wait, in steps; as many as there are pools wait in a workflow."""
    approved: int
    stored: Sequence[int]
    alone: int
    """Changes one after the other, whose intake and decision are timed."""
    loads: int
    """Of each list."""
    seconds: float
    rounds: int
    """Over all that is stored, and over one and two workers."""

    @property
    def names(self) -> list[str]:
        """Pools of each cluster."""
        return ["web", *(f"p{number:02}" for number in range(1, self.pools))]


FULL = Extent(50, 20, (1_000, 10_000), 50, (1_000, 10_000, 100_000), 40, 60, 10.0, 3)
QUICK = Extent(4, 2, (8, 50), 4, (10, 50), 3, 20, 2.0, 1)


@dataclass(frozen=True)
class Pending:
    """With so many waiting."""

    count: int
    list_ms: list[float]
    worker_mib: float


@dataclass(frozen=True)
class Scaled:
    """What was measured."""

    pending: list[Pending]
    workflows: int
    """So many of them wait in a workflow."""
    effect_ms: list[float]
    stored: dict[int, Stored]
    workers: dict[int, list[Measured]]
    """By their number, round after round."""


async def measure(extent: Extent) -> Scaled:
    """Run all three parts on one server, each on a stack of its own."""
    many = BenchGround(extent.clusters, pools=extent.names)
    async with bench_server() as server:
        async with sluice_on(server, many) as sluice:
            found, effects = await pending(sluice, many.slots, extent)
        ground = BenchGround(AT_ONCE)
        async with databases(server, ground, extent.stored, extent.seconds / 2) as opening:
            closed = await stored(
                opening, ground.slots, extent.stored, partial(load_lists, loads=extent.loads),
                rounds=extent.rounds, alone=extent.alone, seconds=extent.seconds,
            )  # fmt: skip
        async with sluice_on(server, ground := BenchGround(AT_ONCE)) as sluice:
            speeds = await workers(sluice, ground.slots, extent)
    return Scaled(found, extent.clusters * extent.pools, effects, closed, speeds)


async def pending(
    sluice: Sluice, places: Sequence[Place], extent: Extent
) -> tuple[list[Pending], list[float]]:
    """Fill up what waits in steps, load the list at each; then approve some, and time their effects."""
    waiting = await _fill(sluice, places, extent)
    found = []
    for count in extent.pending:
        await copy_waiting(sluice.pool, count)
        latencies = await load_lists(sluice, extent.loads, state="awaiting_approval")
        memory = resident_mib(sluice.roles["worker"][0])
        found.append(Pending(count, latencies, memory))
        say(f"{count:,} pending: list p95 {percentile(latencies, 0.95):.0f} ms, worker {memory:.0f} MiB")
    # One after the other, so that none waits for another's lease; not the newest pools only.
    chosen = waiting[:: max(1, len(waiting) // extent.approved)][: extent.approved]
    return found, [await _effect_ms(sluice, place, pool, one) for place, pool, one in chosen]


async def _fill(sluice: Sluice, places: Sequence[Place], extent: Extent) -> list[tuple[Place, str, str]]:
    """Propose one change of every pool, and wait until all of them wait for a person."""
    turns = asyncio.Semaphore(AT_ONCE)
    made: list[tuple[Place, str, str]] = []

    async def one(place: Place, pool: str) -> None:
        async with turns:
            proposal_id = await sluice.propose(place, 2, pool)
            await sluice.judged(proposal_id)
            made.append((place, pool, proposal_id))

    began = time.monotonic()
    await asyncio.gather(*(one(place, pool) for pool in extent.names for place in places))
    say(f"{len(made):,} proposals wait after {time.monotonic() - began:.0f} s")
    return made


async def load_lists(sluice: Sluice, loads: int, **filters: str) -> list[float]:
    """Load a list some times; return the milliseconds that each took."""
    latencies = []
    for _ in range(WARM_UP + loads):
        began = time.perf_counter()
        answer = await sluice.http.get("/v1/proposals", params=filters, headers=sluice.header_of("viewer"))
        latencies.append(1_000 * (time.perf_counter() - began))
        answer.raise_for_status()
    return latencies[WARM_UP:]


async def _effect_ms(sluice: Sluice, place: Place, pool: str, proposal_id: str) -> float:
    approved_at = time.time()
    await sluice.approve(proposal_id)
    await sluice.ended(proposal_id)
    calls = sluice.emulator.calls().accepted("SetNodePoolSize", target=place.pool(pool))
    return 1_000 * (calls[-1].ts.timestamp() - approved_at)


async def workers(sluice: Sluice, places: Sequence[Place], extent: Extent) -> dict[int, list[Measured]]:
    """Drive one worker, then two; every second round in the opposite order."""
    found: dict[int, list[Measured]] = {1: [], 2: []}
    for number in range(extent.rounds):
        for count in found if number % 2 == 0 else reversed(found):
            async with sluice.second() if count == 2 else nullcontext():
                measured = await drive(sluice, places, warm_up=len(places), alone=0, seconds=extent.seconds)
            found[count].append(measured)
    return found


def result(found: Scaled, again: str, seconds: float) -> Result:
    """Return the report."""
    return Result(
        promise="Does it hold with many pending, many stored, and several workers?",
        figures=figures(found),
        again=again,
        seconds=seconds,
        charts=charts(found),
        notes=(
            "As many workflows wait as there are pools; what lists find beyond that are copies of rows. The worker "
            f"keeps {MAX_CACHED_WORKFLOWS:,} workflows in memory. What more of them cost it was not measured.",
            "Stored proposals are copies with their evaluations, decisions, intents and postings. The audit log is not "
            "copied: its tree grows by one path of hashes per event. Each database is tidied up before it is measured "
            "(`VACUUM`, a checkpoint), and a stack is started anew on it in each round.",
            "Two workers share two cores with the server, the database and the provider.",
        ),
    )


def figures(found: Scaled) -> list[Figure]:
    """Return ratios first, then absolute figures by what is stored."""
    most = found.pending[-1]
    waiting = f"{most.count:,} pending, {found.workflows:,} of them in workflows"
    speeds = [
        two.throughput() / one.throughput()
        for one, two in zip(found.workers[1], found.workers[2], strict=True)
    ]
    return [
        *(
            timed_at_most(f"{one.count:,} pending: list p95", percentile(one.list_ms, 0.95), LIST_MS, " ms")
            for one in found.pending
        ),
        at_most(f"{waiting}: memory of the worker", most.worker_mib, MEMORY_MIB, " MiB"),
        timed_at_most(
            f"{waiting}: approve → effect p99, one in flight",
            percentile(found.effect_ms, 0.99), EFFECT_MS, " ms",
        ),
        growth(found.stored),
        told("throughput with 2 workers ÷ 1", Spread.of(speeds).text("×")),
        *stored_figures(found.stored),
    ]  # fmt: skip


def charts(found: Scaled) -> list[Chart]:
    """Return times and processor time by how much there is."""
    lists = [Bar(f"{one.count:,} pending", up_to_p99(one.list_ms)) for one in found.pending]
    speeds = [
        Bar(f"{count} worker{'s' * (count > 1)}", Spread.of([one.throughput() for one in rounds]))
        for count, rounds in found.workers.items()
    ]
    return [
        Chart("pending", "A list of what waits: median, and up to p99", "ms", lists, LIST_MS),
        *stored_charts(found.stored),
        Chart("workers", "Changes per second by workers", "/s", speeds),
    ]


def main() -> int:
    """Read the arguments and measure."""
    parser = arguments(__doc__, quick="a handful of everything")
    given = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(measure(QUICK if given.quick else FULL))
    again = "python -m benchmarks.scale" + (" --quick" if given.quick else "")
    return conclude(result(found, again, time.monotonic() - began), given)


if __name__ == "__main__":
    sys.exit(main())
