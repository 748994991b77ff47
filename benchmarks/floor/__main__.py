"""Processor time and throughput of the governed path beside its floor and beside what a user would write.

`make bench-floor`. Five contenders take turns beside one Temporal server over PostgreSQL (512 shards), three rounds:

- floor: a workflow, one Update, one activity that does nothing;
- floor-dev: the same on Temporal's dev server (one shard, SQLite in memory), as a second line;
- sluice: `sluice up`, a production change proposed and approved over HTTP, on the GKE emulator;
- naive: plain Temporal, one regular activity per gate, an Update, the same adapters, rows of ledger and audit;
- langgraph: a graph with the PostgreSQL checkpointer and `interrupt()`, the same steps, a worker that claims threads.

Processor time is read from /proc: worker, OPA, Temporal server and PostgreSQL, per finished change. The API of Sluice,
which also numbers the audit log, stands by itself: for the others this program does what they have of it. Ratios are
told with both, too.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from benchmarks.floor.contest import FULL, OPENINGS, QUICK, Effort, Opening, contest
from benchmarks.floor.load import PATH, RATE, Measured, Sample
from benchmarks.floor.server import bench_server
from benchmarks.report import (
    Bar,
    Chart,
    Figure,
    Result,
    Spread,
    arguments,
    conclude,
    percentile,
    spread_at_least,
    spread_at_most,
    tails,
    told,
)

CPU_TARGET, CPU_GOAL = 1.6, 1.35
THROUGHPUT_TARGET, THROUGHPUT_GOAL = 0.6, 0.75
NAIVE_TARGET = 2.2
CALLERS = ("api", "driver")
"""Roles beside the path: who begins changes and decides. The driver is this program."""
Found = Mapping[str, Sequence[Measured]]


def ratio(found: Found, one: str, other: str, of: Callable[[Measured], float]) -> Spread:
    """Return the spread of a ratio, each round by itself: both met the same machine then."""
    return Spread.of([of(a) / (of(b) or math.nan) for a, b in zip(found[one], found[other], strict=True)])


def _with_callers(one: Measured) -> float:
    return one.cpu_ms(*PATH, *CALLERS)


def figures(found: Found) -> list[Figure]:
    """Return ratios first, then what they are made of."""
    cpu, speed = Measured.cpu_ms, Measured.throughput
    lines = [
        spread_at_most(
            f"processor time of a governed change ÷ floor (goal {CPU_GOAL})",
            ratio(found, "sluice", "floor", cpu), CPU_TARGET, "×",
        ),
        spread_at_least(
            f"throughput ÷ floor (goal {THROUGHPUT_GOAL})",
            ratio(found, "sluice", "floor", speed), THROUGHPUT_TARGET, "×",
        ),
        spread_at_least(
            "throughput ÷ naive Temporal", ratio(found, "sluice", "naive", speed), NAIVE_TARGET, "×"
        ),
        told(
            f"processor time ÷ floor, at {RATE:g} changes per second of each",
            ratio(found, "sluice", "floor", Measured.paced_ms).text("×"),
        ),
        told(
            f"processor time ÷ naive Temporal, at {RATE:g} changes per second of each",
            ratio(found, "sluice", "naive", Measured.paced_ms).text("×"),
        ),
        told("throughput ÷ LangGraph", ratio(found, "sluice", "langgraph", speed).text("×")),
        told("processor time ÷ naive Temporal", ratio(found, "sluice", "naive", cpu).text("×")),
        told("processor time ÷ LangGraph", ratio(found, "sluice", "langgraph", cpu).text("×")),
        *(
            told(
                f"processor time with API and driver ÷ {title}",
                ratio(found, "sluice", name, _with_callers).text("×"),
            )
            for name, title in (("floor", "floor"), ("naive", "naive Temporal"), ("langgraph", "LangGraph"))
        ),
        told(
            "second line, dev server: processor time of its floor ÷ floor",
            ratio(found, "floor-dev", "floor", cpu).text("×"),
        ),
        told(
            "second line, dev server: throughput of its floor ÷ floor",
            ratio(found, "floor-dev", "floor", speed).text("×"),
        ),
    ]  # fmt: skip
    for name, rounds in found.items():
        lines += _absolute(name, rounds)
    return lines


def _absolute(name: str, rounds: Sequence[Measured]) -> list[Figure]:
    def spread(of: Callable[[Measured], float], unit: str) -> str:
        return Spread.of([of(one) for one in rounds]).text(unit)

    path, beside = (
        ", ".join(
            f"{role} {Spread.of([one.cpu_ms(role) for one in rounds]).median:.0f}"
            for role in roles
            if role in rounds[0].processor
        )
        for roles in (PATH, (*CALLERS, "provider"))
    )
    lines = [
        told(f"{name}: changes per second", spread(Measured.throughput, "")),
        told(f"{name}: processor ms per change", f"{spread(Measured.cpu_ms, '')}: {path}; beside: {beside}"),
        told(f"{name}: processor ms per change at {RATE:g}/s", spread(Measured.paced_ms, "")),
    ]
    for title, samples in (
        ("one in flight", [(one, sample) for one in rounds for sample in one.alone]),
        ("saturated", [(one, sample) for one in rounds for sample in one.together]),
    ):
        effects = [one.approve_to_effect([sample])[0] for one, sample in samples]
        lines.append(told(f"{name}: approve → effect, {title}, ms p50 / p99", tails(effects)))
        if not name.startswith("floor"):
            verdicts = [1_000 * sample.verdict for _, sample in samples]
            lines.append(told(f"{name}: intake → verdict, {title}, ms p50 / p99", tails(verdicts)))
    return lines


def charts(found: Found) -> list[Chart]:
    """Return processor time and throughput of all, side by side."""

    def bars(of: Callable[[Measured], float]) -> list[Bar]:
        return [Bar(name, Spread.of([of(one) for one in rounds])) for name, rounds in found.items()]

    def latency(one: Measured) -> float:
        samples: list[Sample] = one.alone
        return percentile(one.approve_to_effect(samples), 0.5)

    def split(bar: Bar) -> Bar:
        rounds = found[bar.name]
        roles = [role for role in PATH if role in rounds[0].processor]
        parts = {role: statistics.median(one.cpu_ms(role) for one in rounds) for role in roles}
        return replace(bar, parts=parts)

    floor = Spread.of([one.cpu_ms() for one in found["floor"]]).median
    processor = [split(bar) for bar in bars(Measured.cpu_ms)]
    return [
        Chart(
            "processor",
            "Processor time per change without API and driver, stay below",
            "ms",
            processor,
            CPU_TARGET * floor,
        ),
        Chart("throughput", "Changes per second at saturation", "/s", bars(Measured.throughput)),
        Chart("latency", "Approve → effect, one in flight, median", "ms", bars(latency)),
    ]


def main() -> int:
    """Read the arguments and measure."""
    parser = arguments(__doc__, quick="one short round")
    parser.add_argument(
        "--only", nargs="*", choices=list(OPENINGS), help="print these alone, without a report"
    )
    given = parser.parse_args()
    effort = QUICK if given.quick else FULL
    began = time.monotonic()
    openings = {name: one for name, one in OPENINGS.items() if name in (given.only or OPENINGS)}
    found = asyncio.run(_measure(effort, openings))
    if given.only:
        for name, rounds in found.items():
            for line in _absolute(name, rounds):
                print(f"{line.name}: {line.value}")
        return 0
    again = "python -m benchmarks.floor" + (" --quick" if given.quick else "")
    return conclude(result(found, again, time.monotonic() - began), given)


def result(found: Found, again: str, seconds: float) -> Result:
    """Return the report."""
    return Result(
        promise="What does governing a change cost, beside the least and beside what a user would write?",
        figures=figures(found),
        again=again,
        seconds=seconds,
        charts=charts(found),
        notes=NOTES,
    )


NOTES = (
    "Bare LangGraph costs a fraction of the processor time: nothing but one process and its checkpoints. What it does "
    "not promise is shown by `make bench-survival`.",
    "The floor touches neither a provider nor a database of its own, so the ratio counts every gate, row and call of a "
    "governed change against it.",
    "The second line is Temporal's dev server: one history shard on one SQLite connection in memory. It has no "
    "database beside it, keeps nothing, and says nothing about capacity.",
    "Provider calls go to the emulator, which shares the machine; its processor time (provider) is in nobody's sum, "
    "but it takes from everybody's throughput except that of the floors.",
)


async def _measure(effort: Effort, openings: Mapping[str, Opening]) -> dict[str, list[Measured]]:
    async with bench_server() as server:
        return await contest(server, effort, openings)


if __name__ == "__main__":
    sys.exit(main())
