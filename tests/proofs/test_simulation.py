"""The simulation: sound seeds stay sound, a seed replays, planted bugs are found, and no boundary is forgotten."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from proofs.postgres import postgres
from proofs.simulation.__main__ import figures
from proofs.simulation.boundaries import AFTER, BEFORE
from proofs.simulation.loop import run_virtually, running_loop
from proofs.simulation.people import run_as
from proofs.simulation.plants import PLANTS
from proofs.simulation.running import Tally, boundaries, simulate
from proofs.simulation.store import Clock, SimulatedDatabase
from proofs.simulation.world import Actor, Crash, Fate, World

FOUND_WITHIN = 100
"""Seeds."""


def test_no_invariant_breaks_and_a_seed_replays_to_the_letter() -> None:
    seeds = [*range(12), 7, 7]
    kept: list[Tally] = []
    tally = simulate(seeds, batch=1, done=kept.append)
    assert tally.faults == {}
    assert tally.crashed.total() > 0
    assert tally.effects > 0
    first, *again = (one.steps[7] for one in kept if 7 in one.steps)
    assert again == [first, first]


@pytest.mark.parametrize("plant", [name for name in PLANTS if name])
def test_a_planted_bug_is_found(plant: str) -> None:
    tally = simulate(range(FOUND_WITHIN), plant, batch=10, done=lambda batch: bool(batch.faults))
    assert tally.faults


def test_a_planted_bug_is_found_under_the_luck_that_seeds_draw_themselves() -> None:
    tally = simulate(
        range(FOUND_WITHIN), "release", favoured=False, batch=10, done=lambda batch: bool(batch.faults)
    )
    assert tally.faults


ENOUGH = Tally(
    seeds=100,
    crashed=Counter(boundaries()),
    reached=Counter(boundaries()),
    effects=30,
    unanswered=20,
    halts=1,
)


@pytest.mark.parametrize(
    "too_little",
    [
        replace(ENOUGH, seeds=99),
        replace(ENOUGH, crashed=Counter(boundaries()[1:])),
        replace(ENOUGH, unanswered=19),
        replace(ENOUGH, halts=0),
        replace(ENOUGH, faults={7: ["two effects"]}),
    ],
    ids=["seeds", "boundaries", "answers", "halts", "faults"],
)
def test_a_whole_run_that_met_too_little_does_not_hold(too_little: Tally) -> None:
    assert all(one.holds for one in figures(ENOUGH, 100, is_whole=True))
    assert len([one for one in figures(too_little, 100, is_whole=True) if not one.holds]) == 1


def test_whatever_asks_the_database_takes_no_virtual_time(tmp_path: Path) -> None:
    async def ask(url: str, clock: Clock) -> float:
        database, loop = SimulatedDatabase(url, clock), running_loop()
        loop.call_later(60, lambda: None)
        for connect in (database.single, database.reading, database.transaction):
            async with connect() as connection:
                await connection.execute(text("SELECT pg_sleep(0.01)"))
        await database.close()
        return loop.time()

    clock = Clock(tmp_path / "clock")
    with postgres() as url:
        assert run_virtually(ask(url, clock)) == 0.0
    clock.close()


def test_a_seed_comes_to_the_same_beside_others_as_alone() -> None:
    seeds = [5004, 5013, 5016, 5027, 5028, 5032]
    together, alone = (simulate(seeds, batch=batch) for batch in (len(seeds), 1))
    assert together.halts > 0
    assert (together.ends, together.halts, together.reached) == (alone.ends, alone.halts, alone.reached)


async def _fails() -> None:
    raise ValueError("something else is wrong")


def test_a_process_that_is_lost_beside_its_work_does_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    async def work(world: World) -> None:
        await asyncio.wait({asyncio.create_task(world.boundary("beside"))})
        await world.boundary("the work")

    async def lose() -> World:
        world = World(1, running_loop(), Fate(crash_at="beside"))
        await asyncio.wait({asyncio.create_task(_fails())})
        with pytest.raises(Crash):
            await run_as(Actor("a worker"), partial(work, world))
        return world

    world = run_virtually(lose())
    gc.collect()
    assert world.reached == {"beside": 1}
    # The other error that nobody took is told of, this one is not.
    assert [type(one.exc_info[1]) for one in caplog.records if one.exc_info] == [ValueError]


def test_every_commit_send_and_result_of_the_path_is_a_boundary() -> None:
    known = boundaries()
    assert len(known) == len(set(known))
    for name in (
        f"activities.execution.admission.forward{BEFORE}",
        f"activities.guardrail.activities._run (1){AFTER}",
        f"api.proposals.decisions.decide{AFTER}",
        "set_size after the effect, before the answer",
        "execute_action result lost",
    ):
        assert name in known
