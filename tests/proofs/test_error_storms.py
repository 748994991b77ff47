"""Error storms: the judge finds amplification, a herd and impatience; a breaker that closes makes no herd.

`make proof-errors` lets it storm over a whole stack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

import adapters.store.breakers
from adapters.store import breakers
from adapters.store.database import Database, database_now
from adapters.store.outbox import OutboxKind, put
from adapters.store.schema import outbox, proposals
from contracts.configuration import Configuration
from contracts.holds import on_breaker
from proofs.error_storms.__main__ import faults, figures, storm_of, storms_of
from proofs.error_storms.course import Met, Refusal, StormGround
from proofs.error_storms.judging import Phases, impatient, weather
from proofs.error_storms.retries import Retried
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import BEN
from tests.e2e.practice_ground import DEVELOPMENT, STAGING

PHASES = Phases(calm_from=0, storm_from=60, storm_to=120, demand_to=180)
EVERY = 2.0
"""Seconds between two calls of the steady demand."""
HELD = 30
"""What that demand makes in the minute of the storm."""
DEMAND = [at * EVERY for at in range(90)]
BREAKER = "provider:gke"


def calls(in_storm: list[float], after: list[float]) -> list[float]:
    steady = [at for at in DEMAND if not PHASES.storm_from <= at < PHASES.storm_to]
    return sorted([*steady, *in_storm, *after])


def test_as_many_calls_as_in_calm_times_and_a_backlog_that_goes_as_it_came_are_no_storm() -> None:
    as_it_came = [120 + 1 + place * EVERY for place in range(HELD)]
    met = weather(calls([60 + place * EVERY for place in range(HELD)], as_it_came), PHASES)
    assert (met.amplification, met.faults("it")) == (1.0, [])


def test_retries_of_everything_are_found() -> None:
    thrice = [60 + place * EVERY / 3 for place in range(3 * HELD)]
    assert weather(calls(thrice, []), PHASES).faults("it") == [
        "it got 3.00 times the calls of calm times while it refused"
    ]


def test_a_herd_is_found() -> None:
    [fault] = weather(calls([], [121.0] * HELD), PHASES).faults("it")
    assert "the steady rate after the storm" in fault


def test_without_calm_there_is_nothing_to_say() -> None:
    with pytest.raises(ValueError, match="nothing arrived"):
        weather([70.0], PHASES)


def test_whoever_does_not_wait_as_told_is_found() -> None:
    patient, hasty = [(0.0, True), (3.1, True), (6.2, False)], [(0.0, True), (1.0, False)]
    assert impatient({"a": patient}, 3) == []
    assert impatient({"b": hasty}, 3) == ["b was asked for again after 1.00 s instead of 3 s"]
    assert impatient({"c": [(0.0, False), (1.0, True)]}, 3) == []


STORM = storm_of(Refusal.THROTTLED, 30)
MET = Met(
    STORM, PHASES, provider=DEMAND, effects=DEMAND, refused=9, model=DEMAND,
    asked={"a": [(60.0, True), (64.0, False)]}, held={"prp_1": "succeeded", "prp_2": "succeeded"},
)  # fmt: skip


@pytest.mark.parametrize("missed", [{"refused": 0}, {"held": {}}, {"asked": {"a": [(60.0, False)]}}])
def test_a_storm_that_met_nobody_shows_nothing_whatever_another_met(missed: dict[str, Any]) -> None:
    assert all(one.holds for one in figures([MET, MET]))
    wrong = [one for one in figures([MET, replace(MET, **missed)]) if not one.holds]
    assert [one.value for one in wrong] == ["0"]
    assert wrong[0].name.endswith("in each storm")


def test_a_storm_after_which_nothing_that_was_held_is_made_shows_a_fault() -> None:
    assert faults(MET) == []
    denied = replace(MET, held={"prp_1": "succeeded", "prp_2": "denied: breaker_open"})
    assert faults(denied) == ["429: prp_2 was held and denied: breaker_open"]
    assert not all(one.holds for one in figures([MET, denied]))


def test_an_endpoint_that_nobody_asks_after_the_storm_shows_a_fault() -> None:
    silent = replace(MET, effects=[at for at in DEMAND if at < PHASES.storm_to])
    assert faults(silent) == ["429: the provider's effects got 0 calls in the busiest 15 s after the storm"]
    [wrong] = [one for one in figures([MET, silent]) if not one.holds]
    assert (wrong.name, wrong.wanted) == (
        "calls in the least of these peaks, the provider's effects",
        "at least 2",
    )


def test_effects_that_are_tried_again_and_again_while_only_they_are_refused_are_found() -> None:
    thrice = calls([60 + place * EVERY / 3 for place in range(3 * HELD)], [])
    met = replace(MET, storm=replace(STORM, only_effects=True), effects=thrice, asked={}, model=[])
    assert faults(met) == [
        "429, effects only: effects while only they are refused got 3.00 times the calls of calm times while it refused"
    ]
    assert not all(one.holds for one in figures([MET, met]))


RETRIED = Retried(changes=60, succeeded=60, calls=65, refused=Counter({"429": 3, "503": 2}), openings=0)


@pytest.mark.parametrize(
    "wrong", [{"calls": 67}, {"succeeded": 59}, {"openings": 1}, {"refused": Counter({"429": 5})}]
)
def test_a_refusal_now_and_then_costs_one_call_opens_nothing_and_must_have_come(
    wrong: dict[str, Any],
) -> None:
    assert all(one.holds for one in RETRIED.figures())
    assert len([one for one in replace(RETRIED, **wrong).figures() if not one.holds]) == 1


def test_there_are_places_for_all_that_is_asked_for() -> None:
    storms = storms_of(list(Refusal), 30)
    ground = StormGround(storms, before=1_000)
    for environment, before in ((DEVELOPMENT, 1_000), (STAGING, 0)):
        assert len(ground.places(environment)) >= before + sum(one.targets(environment) for one in storms)
    registered = ground.configuration()["targets"]
    assert [one["cluster"] for one in registered] == ["deve-00", "*", "*"]


def test_the_storms_have_a_configuration_that_is_taken() -> None:
    Configuration.model_validate(StormGround([storm_of(Refusal.THROTTLED, 30)]).configuration())


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    ready = Database(migrated_database_url)
    yield ready
    await ready.close()


async def wakes_after_the_storm(database: Database) -> list[float]:
    """Seconds from the closing of a breaker to the wake of each proposal that it had held, at an even pace."""
    async with database.transaction() as connection:
        now = await database_now(connection)
        await breakers.open_by_hand(
            connection,
            BREAKER,
            actor=BEN,
            reason="outage",
            lasts=None,
            now=now - timedelta(minutes=1),
            tenant="default",
        )
    for place in range(HELD):
        proposal = await stored_proposal(database)
        async with database.transaction() as connection:
            await connection.execute(
                update(proposals)
                .where(proposals.c.id == proposal.id)
                .values(
                    state="ready",
                    held_on=on_breaker(BREAKER),
                    state_since=now - timedelta(seconds=60 - place * EVERY),
                )
            )
    async with database.transaction() as connection:
        closed_at = await database_now(connection)
        await breakers.reset(connection, BREAKER, actor=BEN, reason="over", tenant="default")
    async with database.reading() as connection:
        due = (await connection.execute(select(outbox.c.due_at).where(outbox.c.kind == "wake"))).scalars()
        return [max(0.0, (one - closed_at).total_seconds()) for one in due]


async def test_what_a_breaker_held_comes_back_without_a_herd(database: Database) -> None:
    after = [PHASES.storm_to + wait for wait in await wakes_after_the_storm(database)]
    assert len(after) == HELD
    assert weather(calls([], after), PHASES).faults("it") == []


async def test_waking_everything_at_once_is_found_as_a_herd(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(connection: AsyncConnection, held_on: str, _: object) -> None:
        held = await connection.execute(select(proposals.c.id).where(proposals.c.held_on == held_on))
        for (proposal_id,) in held.all():
            await put(connection, OutboxKind.WAKE, proposal_id)

    monkeypatch.setattr(adapters.store.breakers, "wake_in_turn", at_once)
    after = [PHASES.storm_to + wait for wait in await wakes_after_the_storm(database)]
    assert weather(calls([], after), PHASES).faults("it")
