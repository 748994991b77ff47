"""How does a worker fare whose 10,000 pending proposals all wait in workflows of their own? `make bench-waiting`.

On Sluice over a real Temporal server. Filling up takes most of half an hour, so `make bench` runs it only
where it is named: `make bench-scale` has a thousand in workflows, and measures the same with copies of rows for the
rest. The worker keeps 1,000 workflows in memory; the approved ones are spread over all that wait, so most of them are
read from their histories again before their effect.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.copies import copy_waiting
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.processor import peak_mib
from benchmarks.floor.server import bench_server
from benchmarks.floor.sluice import Sluice, sluice_on
from benchmarks.report import (
    Bar,
    Chart,
    Figure,
    Result,
    arguments,
    at_most,
    conclude,
    percentile,
    say,
    timed_at_most,
    up_to_p99,
)
from tests.e2e.practice_ground import Place
from worker import MAX_CACHED_WORKFLOWS

LIST_MS, MEMORY_MIB, EFFECT_MS = 200.0, 2_048.0, 1_000.0
WARM_UP = 5
"""Loads of a list that are not counted."""
AT_ONCE = 16


@dataclass(frozen=True)
class Extent:
    """How many wait."""

    clusters: int
    pools: int
    """Of each cluster. One proposal of each pool waits in a workflow."""
    pending: Sequence[int]
    """Rows that wait, in steps; what is beyond the pools are copies."""
    approved: int
    loads: int
    """Of each list."""

    @property
    def ground(self) -> BenchGround:
        """The fleet."""
        return BenchGround(self.clusters, pools=self.names)

    @property
    def names(self) -> list[str]:
        """Pools of each cluster."""
        return ["web", *(f"p{number:02}" for number in range(1, self.pools))]

    @property
    def workflows(self) -> int:
        """So many wait in a workflow."""
        return self.clusters * self.pools


FULL = Extent(500, 20, (10_000,), 100, 60)
QUICK = Extent(4, 2, (8,), 4, 20)


@dataclass(frozen=True)
class Step:
    """With so many waiting."""

    count: int
    list_ms: list[float]


@dataclass(frozen=True)
class Waited:
    """What was measured."""

    workflows: int
    """So many waited in a workflow."""
    steps: list[Step]
    effect_ms: list[float]
    worker_mib: float
    """The most that the worker held, its replays with it."""


async def measure(extent: Extent) -> Waited:
    """Run it on a server and a stack of its own."""
    ground = extent.ground
    async with bench_server() as server, sluice_on(server, ground) as sluice:
        return await waited(sluice, ground.slots, extent)


async def waited(sluice: Sluice, places: Sequence[Place], extent: Extent) -> Waited:
    """Fill up what waits in steps, load the list at each; then approve some, and time their effects.

    Raises:
        RuntimeError: the worker ended meanwhile.
    """
    [worker] = sluice.roles["worker"]
    waiting = await _fill(sluice, places, extent)
    found = []
    for count in extent.pending:
        await copy_waiting(sluice.pool, count)
        latencies = await load_lists(sluice, extent.loads, state="awaiting_approval")
        found.append(Step(count, latencies))
        say(f"{count:,} pending: list p95 {percentile(latencies, 0.95):.0f} ms")
    # One after the other, so that none waits for another's lease; not the newest pools only.
    chosen = waiting[:: max(1, len(waiting) // extent.approved)][: extent.approved]
    effects = [await _effect_ms(sluice, place, pool, one) for place, pool, one in chosen]
    return Waited(len(waiting), found, effects, peak_mib(worker))


async def _fill(sluice: Sluice, places: Sequence[Place], extent: Extent) -> list[tuple[Place, str, str]]:
    """Propose one change of every pool, and wait until all of them wait for a person."""
    turns = asyncio.Semaphore(AT_ONCE)
    made: list[tuple[Place, str, str]] = []
    began = time.monotonic()

    async def one(place: Place, pool: str) -> None:
        async with turns:
            proposal_id = await sluice.propose(place, 2, pool)
            await sluice.judged(proposal_id)
            made.append((place, pool, proposal_id))
            if len(made) % 1_000 == 0:
                say(f"{len(made):,} proposals wait after {time.monotonic() - began:.0f} s")

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


def figures(found: Waited) -> list[Figure]:
    """Return what is judged of those that wait."""
    most = found.steps[-1]
    waiting = f"{most.count:,} pending, {found.workflows:,} of them in workflows"
    return [
        *(
            timed_at_most(f"{one.count:,} pending: list p95", percentile(one.list_ms, 0.95), LIST_MS, " ms")
            for one in found.steps
        ),
        at_most(f"{waiting}: most memory of the worker", found.worker_mib, MEMORY_MIB, " MiB"),
        timed_at_most(
            f"{waiting}: approve → effect p99 of {len(found.effect_ms)}, one in flight",
            percentile(found.effect_ms, 0.99), EFFECT_MS, " ms",
        ),
    ]  # fmt: skip


def loaded(found: Waited) -> str:
    """Return how many times stand behind the time of a list."""
    return f"Each list of what waits was loaded {len(found.steps[-1].list_ms)} times."


def chart(found: Waited) -> Chart:
    """Return the times of lists by how many wait."""
    lists = [Bar(f"{one.count:,} pending", up_to_p99(one.list_ms)) for one in found.steps]
    return Chart("pending", "A list of what waits: median, and up to p99", "ms", lists, LIST_MS)


def result(found: Waited, again: str, seconds: float) -> Result:
    """Return the report."""
    effects = Bar("approve → effect", up_to_p99(found.effect_ms))
    return Result(
        promise="Does it hold where every one of many pending proposals waits in a workflow?",
        figures=figures(found),
        again=again,
        seconds=seconds,
        charts=[
            chart(found),
            Chart("effect", "Approve → effect: median, and up to p99", "ms", [effects], EFFECT_MS),
        ],
        notes=(
            loaded(found),
            f"The worker keeps {MAX_CACHED_WORKFLOWS:,} workflows in memory. Approved were {len(found.effect_ms):,}, "
            "spread evenly over the order in which they came to wait, so most were read from their histories again.",
        ),
    )


def main() -> int:
    """Read the arguments and measure."""
    given = arguments(__doc__, quick="a handful of workflows").parse_args()
    began = time.monotonic()
    found = asyncio.run(measure(QUICK if given.quick else FULL))
    again = "python -m benchmarks.waiting" + (" --quick" if given.quick else "")
    return conclude(result(found, again, time.monotonic() - began), given)


if __name__ == "__main__":
    sys.exit(main())
