"""Does it hold with many pending and many stored proposals, and with two workers? `make bench-scale`.

On Sluice over a real Temporal server. *Pending*: 1,000 proposals that wait in workflows of their own, and
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

from benchmarks import waiting
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import Measured, drive
from benchmarks.floor.server import bench_server
from benchmarks.floor.sluice import Sluice, sluice_on
from benchmarks.report import Bar, Chart, Figure, Result, Spread, arguments, conclude, told
from benchmarks.stored import Stored, databases, growth, stored
from benchmarks.stored import charts as stored_charts
from benchmarks.stored import figures as stored_figures
from benchmarks.waiting import AT_ONCE, Waited, load_lists, waited
from tests.e2e.practice_ground import Place
from worker import MAX_CACHED_WORKFLOWS


@dataclass(frozen=True)
class Extent:
    """How much there is of everything."""

    waiting: waiting.Extent
    stored: Sequence[int]
    alone: int
    """Changes one after the other, whose intake and decision are timed."""
    loads: int
    """Of the list of all that is stored."""
    seconds: float
    rounds: int
    """Over all that is stored, and over one and two workers."""


FULL = Extent(waiting.Extent(50, 20, (1_000, 10_000), 50, 60), (1_000, 10_000, 100_000), 40, 60, 10.0, 3)
QUICK = Extent(waiting.Extent(4, 2, (8, 50), 4, 20), (10, 50), 3, 20, 2.0, 1)


@dataclass(frozen=True)
class Scaled:
    """What was measured."""

    waited: Waited
    stored: dict[int, Stored]
    workers: dict[int, list[Measured]]
    """By their number, round after round."""


async def measure(extent: Extent) -> Scaled:
    """Run all three parts on one server, each on a stack of its own."""
    many = extent.waiting.ground
    async with bench_server() as server:
        async with sluice_on(server, many) as sluice:
            found = await waited(sluice, many.slots, extent.waiting)
        ground = BenchGround(AT_ONCE)
        async with databases(server, ground, extent.stored, extent.seconds / 2) as opening:
            closed = await stored(
                opening, ground.slots, extent.stored, partial(load_lists, loads=extent.loads),
                rounds=extent.rounds, alone=extent.alone, seconds=extent.seconds,
            )  # fmt: skip
        async with sluice_on(server, ground := BenchGround(AT_ONCE)) as sluice:
            speeds = await workers(sluice, ground.slots, extent)
    return Scaled(found, closed, speeds)


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
            waiting.loaded(found.waited),
            "As many workflows wait as there are pools; what lists find beyond that are copies of rows. The worker "
            f"keeps {MAX_CACHED_WORKFLOWS:,} workflows in memory. `make bench-waiting` has ten times as many waiting.",
            "Stored proposals are copies with their evaluations, decisions, intents and postings. The audit log is not "
            "copied: its tree grows by one path of hashes per event. Each database is tidied up before it is measured "
            "(`VACUUM`, a checkpoint), and a stack is started anew on it in each round.",
            "Two workers share two cores with the server, the database and the provider.",
        ),
    )


def figures(found: Scaled) -> list[Figure]:
    """Return ratios first, then absolute figures by what is stored."""
    speeds = [
        two.throughput() / one.throughput()
        for one, two in zip(found.workers[1], found.workers[2], strict=True)
    ]
    return [
        *waiting.figures(found.waited),
        growth(found.stored),
        told("throughput with 2 workers ÷ 1", Spread.of(speeds).text("×")),
        *stored_figures(found.stored),
    ]


def charts(found: Scaled) -> list[Chart]:
    """Return times and processor time by how much there is."""
    speeds = [
        Bar(f"{count} worker{'s' * (count > 1)}", Spread.of([one.throughput() for one in rounds]))
        for count, rounds in found.workers.items()
    ]
    return [
        waiting.chart(found.waited),
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
