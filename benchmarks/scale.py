"""Does it hold with many pending and many stored proposals, and with two workers? `make bench-scale`.

On Sluice as shipped over a real Temporal server. *Pending*: 1,000 proposals that wait in workflows of their own, and
9,000 more in the tables alone (copies of rows), so that lists find 10,000; then the list is loaded, and proposals
spread over all that wait are approved. *Stored*: throughput and processor time per proposal with 1,000, 10,000 and
100,000 closed proposals in the tables. *Workers*: the same load on one and on two.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.copies import copy_closed, copy_waiting
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import Measured, drive
from benchmarks.floor.processor import resident_mib
from benchmarks.floor.sluice import Sluice, sluice_alone
from benchmarks.report import (
    Bar,
    Chart,
    Result,
    Spread,
    arguments,
    at_most,
    conclude,
    percentile,
    say,
    told,
)
from tests.e2e.practice_ground import Place

LIST_MS, MEMORY_MIB, EFFECT_MS, GROWTH = 200.0, 2_048.0, 1_000.0, 1.1
LOADS = 60
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
    seconds: float

    @property
    def names(self) -> list[str]:
        """Pools of each cluster."""
        return ["web", *(f"p{number:02}" for number in range(1, self.pools))]


FULL = Extent(50, 20, (1_000, 10_000), 50, (1_000, 10_000, 100_000), 12.0)
QUICK = Extent(4, 2, (8, 50), 4, (10, 50), 2.0)


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
    effect_ms: list[float]
    stored: dict[int, Measured]
    workers: dict[int, Measured]


async def measure(extent: Extent) -> Scaled:
    """Run all three parts, each on a stack of its own."""
    pending, effects = await _pending(extent)
    stored = await _stored(extent)
    return Scaled(pending, effects, stored, await _workers(extent))


async def _pending(extent: Extent) -> tuple[list[Pending], list[float]]:
    ground = BenchGround(extent.clusters, pools=extent.names)
    async with sluice_alone(ground) as sluice:
        waiting = await _fill(sluice, ground.slots, extent)
        found = []
        for count in extent.pending:
            await copy_waiting(sluice.pool, count)
            latencies = await _lists(sluice)
            memory = resident_mib(sluice.roles["worker"][0])
            found.append(Pending(count, latencies, memory))
            say(f"{count:,} pending: list p95 {percentile(latencies, 0.95):.0f} ms, worker {memory:.0f} MiB")
        # Of each cluster one, so that none waits for another's lease; not the newest pools only.
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


async def _lists(sluice: Sluice) -> list[float]:
    latencies = []
    for _ in range(LOADS):
        began = time.perf_counter()
        answer = await sluice.http.get(
            "/v1/proposals", params={"state": "awaiting_approval"}, headers=sluice.header_of("viewer")
        )
        latencies.append(1_000 * (time.perf_counter() - began))
        answer.raise_for_status()
    return latencies[5:]


async def _effect_ms(sluice: Sluice, place: Place, pool: str, proposal_id: str) -> float:
    approved_at = time.time()
    await sluice.approve(proposal_id)
    await sluice.ended(proposal_id)
    calls = sluice.emulator.calls().accepted("SetNodePoolSize", target=place.pool(pool))
    return 1_000 * (calls[-1].ts.timestamp() - approved_at)


async def _stored(extent: Extent) -> dict[int, Measured]:
    ground = BenchGround(AT_ONCE)
    found = {}
    async with sluice_alone(ground) as sluice:
        await drive(sluice, ground.slots, warm_up=AT_ONCE, alone=0, seconds=extent.seconds / 2)
        for count in extent.stored:
            await copy_closed(sluice.pool, count)
            measured = await drive(sluice, ground.slots, warm_up=4, alone=5, seconds=extent.seconds)
            found[count] = measured
            say(f"{count:,} stored: {measured.cpu_ms():.0f} ms per proposal")
    return found


async def _workers(extent: Extent) -> dict[int, Measured]:
    ground = BenchGround(AT_ONCE)
    async with sluice_alone(ground) as sluice:
        alone = await drive(sluice, ground.slots, warm_up=AT_ONCE, alone=0, seconds=extent.seconds)
        async with sluice.second():
            both = await drive(sluice, ground.slots, warm_up=AT_ONCE, alone=0, seconds=extent.seconds)
    return {1: alone, 2: both}


def result(found: Scaled, again: str, seconds: float) -> Result:
    """Return the report."""
    most = found.pending[-1]
    first, last = next(iter(found.stored.values())), list(found.stored.values())[-1]
    speeds = {count: measured.throughput() for count, measured in found.workers.items()}
    figures = [
        *(
            at_most(f"{one.count:,} pending: list p95", percentile(one.list_ms, 0.95), LIST_MS, " ms")
            for one in found.pending
        ),
        at_most(f"{most.count:,} pending: memory of the worker", most.worker_mib, MEMORY_MIB, " MiB"),
        at_most(
            f"{most.count:,} pending: approve → effect p99, one in flight",
            percentile(found.effect_ms, 0.99), EFFECT_MS, " ms",
        ),
        at_most("processor time per proposal, most stored ÷ fewest", last.cpu_ms() / first.cpu_ms(), GROWTH, "×"),
        *(
            told(f"{count:,} stored: processor ms per proposal", f"{one.cpu_ms():.0f}")
            for count, one in found.stored.items()
        ),
        told("throughput with 2 workers ÷ 1", f"{speeds[2] / max(speeds[1], 0.001):.2f}×"),
    ]  # fmt: skip
    bars = [Bar(f"{count:,} stored", Spread.of([one.cpu_ms()])) for count, one in found.stored.items()]
    return Result(
        promise="Does it hold with many pending, many stored, and several workers?",
        figures=figures,
        again=again,
        seconds=seconds,
        charts=(Chart("stored", "Processor time per proposal by what is stored", "ms", bars),),
        notes=(
            "As many workflows wait as there are pools; what lists find beyond that are copies of rows. The worker "
            "keeps 1,000 workflows in memory, so that more of them cost it no more.",
            "Stored proposals are copies with their evaluations, decisions, intents and postings. The audit log is not "
            "copied: its tree grows by one path of hashes per event.",
            "Two workers share two cores with the server, the database and the provider.",
        ),
    )


def main() -> int:
    """Read the arguments and measure."""
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="a handful of everything")
    given = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(measure(QUICK if given.quick else FULL))
    again = "python -m benchmarks.scale" + (" --quick" if given.quick else "")
    return conclude(result(found, again, time.monotonic() - began), given.report)


if __name__ == "__main__":
    sys.exit(main())
