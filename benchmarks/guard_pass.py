"""How long does a guard pass take, one in flight? `make bench-guard`.

Runs first and admitting passes of fresh proposals one after the other, on a PostgreSQL with durable settings and a
real OPA over the repository's policies, each in a process of its own. The provider is a stand-in that answers at once,
so the time is ours: read the proposal, ask OPA, lock, read facts, judge, write, commit. In turn with them run the bare
round trips of a pass, which ask for nothing and commit one empty message: what they take, a durable commit with it, is
the machine's, and no pass can be faster. `--split` runs all of it a second time under a stopwatch, which takes time
itself, and tells the share of each stage and guardrail.

Every proposal has a requester and a cluster of its own. After its passes it is closed, and is a day old to whoever
comes next: nothing is held for a lease, and nobody is in a storm. A pass that does not come to what is measured, an
allow and then an admission, ends the run.

Accepted (docs/performance.md): p50 at most 6 ms, p99 at most 15 ms, for either pass.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from unittest.mock import patch

import aiohttp
from asyncpg.transaction import Transaction
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.guardrail import activities
from activities.guardrail.activities import GuardActivities
from activities.guardrail.gathering import Gathering
from activities.guardrail.settling import ALLOWED
from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.store import guard_pass, proposals
from adapters.store.batch import Batch
from adapters.store.closing import close_without_effect
from adapters.store.database import Database
from adapters.store.driver import only_row
from benchmarks.postgres import fresh_database
from benchmarks.report import (
    Bar,
    Chart,
    Figure,
    Result,
    arguments,
    conclude,
    percentile,
    timed_at_most,
    told,
    up_to_p99,
)
from benchmarks.stages import Stage, Stopwatch
from bootstrap import memory
from contracts.base import new_id
from contracts.messages import PassInput
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Proposal, ProposalState
from guardrails import registry
from settings import Settings
from tests.activities.guardrail.conftest import CONFIGURATION, Guards, Provider
from tests.opa_fixtures import TIMEOUT, running_opa
from tools.catalogue import OPA
from tools.programs import resolve

ROUNDS = 400
QUICK = 40
WARM_UP = 40
ACCEPTED_P50_MS = 6.0
ACCEPTED_P99_MS = 15.0
T = TypeVar("T")


@dataclass
class Times:
    """Milliseconds of each pass of one kind."""

    name: str
    stopwatch: Stopwatch | None = None
    took: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    """Of this process's processor alone, which other programs on the machine do not lengthen."""

    async def of(self, passing: Callable[[], Awaitable[T]]) -> T:
        """Time one pass."""
        with split(self.stopwatch) if self.stopwatch else nullcontext():
            began, busy = time.perf_counter(), time.process_time()
            with self.stopwatch.measured_pass("the rest") if self.stopwatch else nullcontext():
                result = await passing()
        self.worked.append((time.process_time() - busy) * 1_000)
        self.took.append((time.perf_counter() - began) * 1_000)
        return result

    def line(self) -> str:
        """Return the figures in words."""
        p50, p99 = percentile(self.took, 0.50), percentile(self.took, 0.99)
        return (
            f"{self.name:16} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   processor {percentile(self.worked, 0.50):6.2f} ms"
            f"   {len(self.took)} times"
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run found."""

    whole: tuple[Times, Times, Times]
    """First passes, admitting passes, bare round trips."""
    shares: Sequence[Times]
    """First and admitting passes under a stopwatch, when that was asked for."""


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

    async def propose_anew(self) -> Proposal:
        """Return a proposal of somebody who has asked for nothing yet, on a cluster that nobody has changed."""
        name = new_id("dev").replace("_", "-")
        return await self.propose_in_development(
            cluster=name,
            authors=(Principal(kind=PrincipalKind.HUMAN, subject=name, roles=(Role.REQUESTER,)),),
        )

    async def pass_twice(self, proposal: Proposal, first: Times, admitting: Times) -> None:
        """Time both passes, each inside an activity as in a worker."""
        at = {"proposal_id": proposal.id, "revision": proposal.revision}
        check = partial(self.activities().check_proposal, PassInput(**at, pass_number=1))
        checked = await ActivityEnvironment().run(first.of, check)
        if (checked.state, checked.reason_code) != (ProposalState.READY, ALLOWED):
            raise AssertionError(f"a first pass was to allow, and came to {checked}")
        admit = partial(self.activities().admit_proposal, PassInput(**at, pass_number=2))
        admitted = await ActivityEnvironment().run(admitting.of, admit)
        if not admitted.admitted:
            raise AssertionError(f"an admitting pass was to admit, and came to {admitted}")

    async def leave_behind(self, proposal: Proposal) -> None:
        """Close it, and let a day go by for it."""
        async with self.database.transaction() as connection:
            row = await proposals.lock(connection, proposal.id)
            await close_without_effect(connection, row, ProposalState.CANCELLED, "benchmark")
            for table, moment in (("proposals", "created_at"), ("rate_uses", "used_at")):
                column = "id" if table == "proposals" else "proposal_id"
                await connection.execute(
                    text(f"UPDATE {table} SET {moment} = {moment} - interval '1 day' WHERE {column} = :id"),  # noqa: S608
                    {"id": proposal.id},
                )


def _roomy() -> str:
    """Return the tests' configuration with room for every round: a refusal would be a shorter path."""
    room = "{capacity: 10000, per_hour: 10000}"
    return CONFIGURATION.replace(
        "effects_per_hour: 30", f"effects_per_hour: 10000, rates: {{tenant: {room}, fleet: {room}}}"
    ).replace('limit: "', 'limit: "9999')


async def bare_round_trips(database: Database, opa: aiohttp.ClientSession) -> None:
    """Go where a pass goes, as often, and ask for nothing; commit something that PostgreSQL must put on disk."""
    async with database.single() as connection:
        await only_row(connection, "SELECT 1", ())
    async with opa.get("http://opa/health") as answer:
        await answer.read()
    async with database.transaction() as connection:
        for _ in ("lock", "facts"):
            await only_row(connection, "SELECT 1", ())
        await only_row(connection, "SELECT pg_logical_emit_message(true, 'bench', '')::text", ())


async def rounds(
    guards: Worker, bare_pass: Callable[[], Awaitable[None]], count: int, *, splitting: bool = False
) -> tuple[Times, Times, Times]:
    """Run `count` proposals through both passes, and as often the bare round trips."""
    first, admitting = (
        Times(name, Stopwatch() if splitting else None) for name in ("first pass", "admitting pass")
    )
    bare = Times("bare round trips")
    for _ in range(count):
        proposal = await guards.propose_anew()
        await guards.pass_twice(proposal, first, admitting)
        await bare.of(bare_pass)
        await guards.leave_behind(proposal)
    return first, admitting, bare


async def run(count: int, *, profile: bool = False, splitting: bool = False) -> Measured:
    """Start the parts, warm up, measure, tell."""
    with running_opa(resolve(OPA, state_dir=Settings().state_dir).path) as opa:
        async with fresh_database() as url:
            database, policy = Database(url), OpaPolicyEngine(opa, timeout=TIMEOUT)
            asking = aiohttp.ClientSession(connector=aiohttp.UnixConnector(opa.removeprefix("unix://")))
            bare = partial(bare_round_trips, database, asking)
            guards = Worker(database, Provider(), policy, parse(_roomy()))
            try:
                await rounds(guards, bare, WARM_UP)
                memory.settle()
                with profiled() if profile else nullcontext():
                    whole = await rounds(guards, bare, count)
                shares = await rounds(guards, bare, count, splitting=True) if splitting else ()
            finally:
                await asking.close()
                await policy.close()
                await database.close()
    for one in whole:
        print(one.line())
    return Measured(whole, [one for one in shares if one.stopwatch is not None])


@contextmanager
def profiled() -> Iterator[None]:
    """Print where the processor's time went meanwhile."""
    with cProfile.Profile() as profiler:
        yield
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def figures(measured: Measured) -> list[Figure]:
    """Return what the budget asks of each pass, what the machine asks for its round trips alone, and the shares."""
    first, admitting, bare = measured.whole
    found = [told("bare round trips of a pass: p50", f"{percentile(bare.took, 0.50):.2f} ms")]
    for one in (first, admitting):
        p50, p99 = percentile(one.took, 0.50), percentile(one.took, 0.99)
        found += [
            timed_at_most(f"{one.name}: p50 (goal 3 ms)", p50, ACCEPTED_P50_MS, " ms"),
            timed_at_most(f"{one.name}: p99", p99, ACCEPTED_P99_MS, " ms"),
            told(f"{one.name}: processor time of the worker, p50", f"{percentile(one.worked, 0.50):.2f} ms"),
        ]
    return found + [
        told(f"{one.name}, {name.strip()}: p50, p99, processor p50", told_stage(stage))
        for one in measured.shares
        for name, stage in (one.stopwatch.stages.items() if one.stopwatch else ())
    ]


def charts(measured: Measured) -> list[Chart]:
    """Return each pass beside the bare round trips."""
    bars = [Bar(one.name, up_to_p99(one.took)) for one in measured.whole]
    title = "Time of a guard pass: median, and up to p99; stay below with the median"
    return [Chart("passes", title, "ms", bars, ACCEPTED_P50_MS)]


def told_stage(stage: Stage) -> str:
    """Return a stage's figures in words."""
    p50, p99 = percentile(stage.took, 0.50), percentile(stage.took, 0.99)
    return f"{p50:.2f} ms, {p99:.2f} ms, {percentile(stage.worked, 0.50):.2f} ms"


def main() -> int:
    """Run from the command line."""
    parser = arguments(__doc__, quick=f"{QUICK} rounds")
    parser.add_argument("--rounds", type=int, help=f"proposals, each with both passes (default {ROUNDS})")
    parser.add_argument("--profile", action="store_true", help="where the processor's time goes")
    parser.add_argument(
        "--split", action="store_true", help="wall and processor time of each stage and guardrail"
    )
    given = parser.parse_args()
    rounds = given.rounds or (QUICK if given.quick else ROUNDS)
    began = time.monotonic()
    measured = asyncio.run(run(rounds, profile=given.profile, splitting=given.split))
    report = Result(
        promise="How long does a guard pass take, one in flight?",
        figures=figures(measured),
        again=f"python -m benchmarks.guard_pass --rounds {rounds}"
        + (" --split" if given.split else "")
        + (" --quick" if given.quick else ""),
        seconds=time.monotonic() - began,
        charts=charts(measured),
        notes=(
            f"{rounds} passes of each kind, each with the outcome that it was to have."
            " Shares, where told, are of as many more under a stopwatch, which takes time itself.",
        ),
    )
    return conclude(report, given)


if __name__ == "__main__":
    sys.exit(main())
