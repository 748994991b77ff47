"""Runs seeds in batches, one process at a time or several side by side, and adds up what came of them."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Row

from adapters.store.database import Database
from proofs.postgres import empty, on_core, postgres
from proofs.simulation import ground, provider, temporal
from proofs.simulation.boundaries import AFTER, BEFORE, sites
from proofs.simulation.course import Course, Run, parts
from proofs.simulation.judges import judge
from proofs.simulation.loop import run_virtually
from proofs.simulation.plants import FATES, PLANTS
from proofs.simulation.store import Clock, SimulatedDatabase, prepare
from proofs.simulation.wiring import Present, wired
from proofs.simulation.world import Fate
from proofs.spread import at

BATCH = 200
"""Seeds between two judgements; the tables are emptied after each."""
SELDOM = (
    "._refuse", "._abandon", "._expire", ".step_back", ".refused", "activities._run (2)",
    "._close_unchanged", "._mark_dirty", ".cancel", ".revise", "workflows.decide",
)  # fmt: skip
"""Ends of the names of commits that few seeds come to, or none without some luck."""
LEADING_TO: Mapping[str, Mapping[str, Any]] = {
    "guardrail.activities._expire": {"away": 605.0},
    "guardrail.activities._run (2)": {"storms": True},
    "verification.activities._abandon": {"blind": 200.0, "unanswered": 0.0, "stalls": 0.0, "refusals": 0.0},
    "conclusion.refused": {"denials": 0.7},
    "conclusion.step_back": {"meddling": 0.5},
    "conclusion._close_unchanged": {"meddling": 0.5},
    "decisions._refuse": {"crowds": True, "quorum": 3},
}
"""Boundary that hardly any seed would come to → the luck that leads there, for the seeds that aim at it."""
ACTIVITIES = (
    "check_proposal", "admit_proposal", "record_decision", "record_refusal",
    "close_proposal", "read_state", "execute_action",
)  # fmt: skip
"""Those of today's workflows: `verify_effect` is one of workflows that began before."""


@dataclass
class Tally:
    """What came of some seeds. It can be added up."""

    seeds: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    """Boundary → how often a process came to it."""
    crashed: Counter[str] = field(default_factory=Counter)
    """Boundary → how often one was lost there."""
    effects: int = 0
    """Calls that the provider accepted."""
    unanswered: int = 0
    """Of these, the ones whose answer was lost on its way to a caller that lived."""
    ends: Counter[str] = field(default_factory=Counter)
    """Final state → proposals."""
    halts: int = 0
    """That became effective."""
    faults: dict[int, list[str]] = field(default_factory=dict)
    """Seed → what is wrong with it."""
    steps: dict[int, list[str]] = field(default_factory=dict)
    """Seed → what happened, of those with a fault, and of all where it was asked for."""

    def add(self, other: Tally) -> None:
        """Take in what came of other seeds."""
        self.seeds += other.seeds
        self.reached += other.reached
        self.crashed += other.crashed
        self.effects += other.effects
        self.unanswered += other.unanswered
        self.ends += other.ends
        self.halts += other.halts
        self.faults |= other.faults
        self.steps |= other.steps


@cache
def boundaries() -> tuple[str, ...]:
    """Return every boundary of the path: commits by the source, sends and results by name."""
    commits = [site + when for site in sites().values() for when in (BEFORE, AFTER)]
    return (*sorted(commits), *provider.CROSSINGS, *temporal.crossings(ACTIVITIES))


@cache
def _rare() -> tuple[str, ...]:
    """Return the boundaries that one seed in ten or less comes to: half of all seeds aim at these."""
    return tuple(name for name in boundaries() if name.rsplit(" ", 2)[0].endswith(SELDOM))


def fate_of(seed: int) -> Fate:
    """Return the luck of a seed: each boundary gets its turn to be fatal, beside what chance does."""
    known = boundaries() if seed % 2 else _rare()
    chance = ground.chance_of(f"fate {seed}")
    stormy, aim = chance.random() < 0.7, known[seed // 2 % len(known)]
    luck = next((luck for place, luck in LEADING_TO.items() if place in aim), {})
    fate = Fate(
        crash_at=aim,
        crash_on=chance.choice((1, 1, 1, 2, 3)) if seed % 2 else 1,
        crashes=chance.choice((0.0, 0.01, 0.04)) if stormy else 0.0,
        stalls=chance.choice((0.0, 0.02, 0.1)) if stormy else 0.0,
        losses=chance.choice((0.0, 0.05, 0.2)) if stormy else 0.0,
        refusals=chance.choice((0.0, 0.0, 0.05, 0.3)) if stormy else 0.0,
        meddling=chance.choice((0.0, 0.0, 0.0, 0.1)) if stormy else 0.0,
        unanswered=chance.choice((0.4, 0.6, 0.9)),
    )
    return replace(fate, **luck)


def simulate(
    seeds: Sequence[int],
    plant: str | None = None,
    *,
    favoured: bool = True,
    batch: int = BATCH,
    core: int = 0,
    done: Callable[[Tally], object] | None = None,
) -> Tally:
    """Run seeds here, on a PostgreSQL of their own.

    `plant` puts a bug into the product; `favoured`: under a luck that meets it often, not the seeds' own.
    `done` hears of each batch; where it answers True, the rest is left out. `core`: the processor to stay on.
    """
    temporary = tempfile.TemporaryDirectory(prefix="sluice-simulation-")
    with on_core(core), temporary as directory, postgres() as url:
        # The server runs under an account of its own and reads its clock there.
        Path(directory).chmod(0o755)
        clock = Clock(Path(directory) / "clock")
        try:
            asyncio.run(prepare(url, clock))
            with wired() as present, PLANTS[plant]():
                gc.freeze()
                gc.set_threshold(50_000, 20, 20)
                fate = FATES.get(plant) if favoured else None
                shares = [seeds[first : first + batch] for first in range(0, len(seeds), batch)]
                return run_virtually(_simulate(url, clock, present, shares, fate, done or (lambda _: None)))
        finally:
            clock.close()


async def _simulate(
    url: str,
    clock: Clock,
    present: Present,
    shares: Sequence[Sequence[int]],
    fate: Fate | None,
    done: Callable[[Tally], object],
) -> Tally:
    database, total = SimulatedDatabase(url, clock), Tally()
    try:
        for seeds in shares:
            batch = await _batch(database, url, present, seeds, fate)
            total.add(batch)
            if done(batch) is True:
                break
            await empty(database)
    finally:
        await database.close()
    return total


async def _batch(
    database: SimulatedDatabase, url: str, present: Present, seeds: Iterable[int], fate: Fate | None
) -> Tally:
    tally, courses, stopped = Tally(), list[Course](), list[Row[Any]]()
    for seed in seeds:
        at(f"seed {seed}")
        run = Run(seed, database, fate or fate_of(seed))
        present.world = run.world
        try:
            courses.append(await run.follow())
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        finally:
            present.world = None
        stopped += await database.forget_shared()
        tally.seeds += 1
        tally.reached += run.world.reached
        tally.crashed += run.world.crashed
        tally.effects += len(run.provider.calls.accepted())
        tally.unanswered += run.provider.unanswered
    configuration = ground.configuration("judged", "roomy", 1, 100, 500)
    judged = Database(url, pool_size=1)
    async with database.undisturbed():
        found = await judge(judged, parts(judged, configuration, run.temporal), courses, stopped)
        await judged.close()
    tally.faults, tally.ends, tally.halts = dict(found.faults), found.ends, found.halts
    tally.steps = {
        one.seed: one.world.steps for one in courses if one.seed in tally.faults or len(courses) == 1
    }
    return tally
