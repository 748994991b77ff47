"""How long does a guard pass take, one in flight? `make bench-guard`.

Runs first and admitting passes of fresh proposals one after the other, on a PostgreSQL with durable settings and a
real OPA over the repository's policies, each in a process of its own. The provider is a stand-in that answers at once,
so the time is ours: read the proposal, ask OPA, lock, read facts, judge, write, commit.

Accepted (design of the cost budgets, docs/architecture.md): p50 at most 6 ms, p99 at most 15 ms, for either pass.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from activities.guardrail.activities import GuardActivities
from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.store.database import Database
from benchmarks.postgres import fresh_database
from benchmarks.streams import percentile
from contracts.messages import PassResult
from contracts.proposal import Proposal
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

    async def of(self, passing: Callable[[Proposal], Awaitable[PassResult]], proposal: Proposal) -> None:
        """Time one pass."""
        began, busy = time.perf_counter(), time.process_time()
        await passing(proposal)
        self.worked.append((time.process_time() - busy) * 1_000)
        self.took.append((time.perf_counter() - began) * 1_000)

    def line(self) -> str:
        """Return the figures in words."""
        p50, p99 = percentile(self.took, 0.50), percentile(self.took, 0.99)
        kept = "kept" if p50 <= ACCEPTED_P50_MS and p99 <= ACCEPTED_P99_MS else "missed"
        return (
            f"{self.name:16} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   processor {percentile(self.worked, 0.50):6.2f} ms"
            f"   {len(self.took)} passes   budget {kept}"
        )


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


async def rounds(guards: Guards, count: int) -> tuple[Times, Times]:
    """Run `count` proposals through both passes; each has a cluster of its own, so none waits for another."""
    first, admitting = Times("first pass"), Times("admitting pass")
    for number in range(count):
        proposal = await guards.propose_in_development(cluster=f"dev-{number}")
        await first.of(guards.check, proposal)
        await admitting.of(guards.admit, proposal)
    return first, admitting


async def run(count: int, profile: bool) -> None:
    """Start the parts, warm up, measure, tell."""
    with running_opa(resolve(OPA, state_dir=Settings().state_dir).path) as opa:
        async with fresh_database() as url:
            database, policy = Database(url), OpaPolicyEngine(opa, timeout=TIMEOUT)
            guards = Worker(database, Provider(), policy, parse(_roomy()))
            try:
                await rounds(guards, WARM_UP)
                profiler = cProfile.Profile()
                if profile:
                    profiler.enable()
                times = await rounds(guards, count)
                profiler.disable()
            finally:
                await policy.close()
                await database.close()
    for one in times:
        print(one.line())
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="proposals, each with both passes")
    parser.add_argument("--profile", action="store_true", help="where the processor's time goes")
    given = parser.parse_args()
    asyncio.run(run(given.rounds, given.profile))


if __name__ == "__main__":
    main()
