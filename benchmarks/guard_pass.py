"""How long does a guard pass take, one in flight? `make bench-guard`.

Runs first and admitting passes of fresh proposals one after the other, on a PostgreSQL with durable settings and a
real OPA over the repository's policies, each in a process of its own. The provider is a stand-in that answers at once,
so the time is ours: read the proposal, ask OPA, lock, read facts, judge, write, commit. `--split` tells how much each
of these takes, and each guardrail by itself. In turn with them run the bare round trips of a pass, which ask for
nothing: what they take is the machine's, and no pass can be faster.

Accepted (design of the cost budgets, docs/architecture.md): p50 at most 6 ms, p99 at most 15 ms, for either pass.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from unittest.mock import patch

import aiohttp
from asyncpg.transaction import Transaction

from activities.guardrail import activities
from activities.guardrail.activities import GuardActivities
from activities.guardrail.gathering import Gathering
from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.store import guard_pass
from adapters.store.batch import Batch
from adapters.store.database import Database
from adapters.store.driver import only_row
from benchmarks.postgres import fresh_database
from benchmarks.report import Figure, Result, arguments, at_most, conclude, percentile, told
from benchmarks.stages import Stopwatch
from guardrails import registry
from settings import Settings
from tests.activities.guardrail.conftest import CONFIGURATION, Guards, Provider
from tests.opa_fixtures import TIMEOUT, running_opa
from tools.catalogue import OPA
from tools.programs import resolve

ROUNDS = 400
WARM_UP = 40
ACCEPTED_P50_MS = 6.0
ACCEPTED_P99_MS = 15.0


@dataclass
class Times:
    """Milliseconds of each pass of one kind."""

    name: str
    took: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    """Of this process's processor alone, which other programs on the machine do not lengthen."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    async def of(self, passing: Callable[[], Awaitable[object]]) -> None:
        """Time one pass."""
        began, busy = time.perf_counter(), time.process_time()
        with self.stopwatch.measured_pass("the rest"):
            await passing()
        self.worked.append((time.process_time() - busy) * 1_000)
        self.took.append((time.perf_counter() - began) * 1_000)

    def line(self) -> str:
        """Return the figures in words."""
        p50, p99 = percentile(self.took, 0.50), percentile(self.took, 0.99)
        return (
            f"{self.name:16} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   processor {percentile(self.worked, 0.50):6.2f} ms"
            f"   {len(self.took)} times"
        )


@contextmanager
def split(stopwatch: Stopwatch) -> Iterator[None]:
    """Have every stage of a pass counted, and every guardrail."""
    gates = tuple((name, stopwatch.timed(gate, f"  gate {name}")) for name, gate in registry.GUARDRAILS)
    with (
        patch.object(registry, "GUARDRAILS", gates),
        stopwatch.watching(
            (guard_pass, "load", "load"),
            (Gathering, "first", "gather"),
            (Gathering, "again", "gather"),
            (Provider, "observe", "provider"),
            (OpaPolicyEngine, "evaluate", "ask OPA"),
            (GuardActivities, "_windows", "change windows"),
            (guard_pass, "lock", "lock"),
            (guard_pass, "contended_facts", "contended facts"),
            (activities, "facts_of", "facts put together"),
            (activities, "evaluate", "evaluate"),
            (activities, "recorded", "record"),
            (activities, "settle", "settle"),
            (Batch, "send", "batch of writes"),
            (Transaction, "start", "begin"),
            (Transaction, "commit", "commit"),
        ),
    ):
        yield


@dataclass
class Worker(Guards):
    """The activities as a worker runs them: made once, so what it keeps between passes is kept."""

    made: GuardActivities | None = None

    def activities(self) -> GuardActivities:
        """Return the same ones each time."""
        if self.made is None:
            self.made = super().activities()
        return self.made


def _roomy() -> str:
    """Return the tests' configuration with room for every round: a refusal would be a shorter path."""
    return CONFIGURATION.replace("effects_per_hour: 30", "effects_per_hour: 10000").replace(
        'limit: "', 'limit: "9999'
    )


async def bare_round_trips(database: Database, opa: aiohttp.ClientSession) -> None:
    """Go where a pass goes, as often, and ask for nothing."""
    async with database.single() as connection:
        await only_row(connection, "SELECT 1", ())
    async with opa.get("http://opa/health") as answer:
        await answer.read()
    async with database.transaction() as connection:
        for _ in ("lock", "facts"):
            await only_row(connection, "SELECT 1", ())
        await only_row(connection, "SELECT pg_current_xact_id()::text", ())


async def rounds(
    guards: Guards, bare_pass: Callable[[], Awaitable[None]], count: int, *, splitting: bool = False
) -> tuple[Times, Times, Times]:
    """Run `count` proposals through both passes; each has a cluster of its own, so none waits for another."""
    first, admitting, bare = Times("first pass"), Times("admitting pass"), Times("bare round trips")
    for number in range(count):
        proposal = await guards.propose_in_development(cluster=f"dev-{number}")
        for times, passing in ((first, guards.check), (admitting, guards.admit)):
            with split(times.stopwatch) if splitting else nullcontext():
                await times.of(partial(passing, proposal))
        await bare.of(bare_pass)
    return first, admitting, bare


async def run(count: int, *, profile: bool = False, splitting: bool = False) -> tuple[Times, Times, Times]:
    """Start the parts, warm up, measure, tell; return the times of first and of admitting passes."""
    with running_opa(resolve(OPA, state_dir=Settings().state_dir).path) as opa:
        async with fresh_database() as url:
            database, policy = Database(url), OpaPolicyEngine(opa, timeout=TIMEOUT)
            asking = aiohttp.ClientSession(connector=aiohttp.UnixConnector(opa.removeprefix("unix://")))
            bare = partial(bare_round_trips, database, asking)
            guards = Worker(database, Provider(), policy, parse(_roomy()))
            try:
                await rounds(guards, bare, WARM_UP)
                profiler = cProfile.Profile()
                if profile:
                    profiler.enable()
                times = await rounds(guards, bare, count, splitting=splitting)
                profiler.disable()
            finally:
                await asking.close()
                await policy.close()
                await database.close()
    for one in times:
        print(one.line())
        for line in one.stopwatch.lines() if splitting else ():
            print(f"  {line}")
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    return times


def figures(first: Times, admitting: Times, bare: Times) -> list[Figure]:
    """Return what the budget asks of each pass, and what the machine asks for its round trips alone."""
    found = [told("bare round trips of a pass: p50", f"{percentile(bare.took, 0.50):.2f} ms")]
    for one in (first, admitting):
        p50, p99 = percentile(one.took, 0.50), percentile(one.took, 0.99)
        found += [
            at_most(f"{one.name}: p50 (goal 3 ms)", p50, ACCEPTED_P50_MS, " ms"),
            at_most(f"{one.name}: p99", p99, ACCEPTED_P99_MS, " ms"),
            told(f"{one.name}: processor time of the worker, p50", f"{percentile(one.worked, 0.50):.2f} ms"),
        ]
    return found


def main() -> int:
    """Run from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="proposals, each with both passes")
    parser.add_argument("--profile", action="store_true", help="where the processor's time goes")
    parser.add_argument(
        "--split", action="store_true", help="wall and processor time of each stage and guardrail"
    )
    given = parser.parse_args()
    began = time.monotonic()
    times = asyncio.run(run(given.rounds, profile=given.profile, splitting=given.split))
    report = Result(
        promise="How long does a guard pass take, one in flight?",
        figures=figures(*times),
        again=f"python -m benchmarks.guard_pass --rounds {given.rounds}",
        seconds=time.monotonic() - began,
        notes=(
            f"{given.rounds} passes of each kind; `--split` tells the share of each stage and guardrail.",
        ),
    )
    return conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
