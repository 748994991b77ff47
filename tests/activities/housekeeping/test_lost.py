"""Proposals whose workflow is gone: ended or left to a person after a while, never what a workflow may still end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from activities.housekeeping.lost import LostProposals
from adapters.configuration import parse
from adapters.store import breakers, leases
from adapters.store.database import Database, database_now
from adapters.store.schema import outbox, proposals
from contracts.base import utc_now
from contracts.configuration import Configuration
from contracts.errors import WorkflowUnavailable
from contracts.messages import proposal_workflow_id
from contracts.proposal import Proposal, ProposalState
from contracts.safety import BreakerState
from tests.activities.housekeeping.conftest import Temporal
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import ANA
from tests.steps import take_lease

S = ProposalState
CONFIGURATION: Configuration = parse("environments: {production: {}}")
LONG, LATELY = timedelta(minutes=61), timedelta(minutes=59)
BEGUN = (S.EXECUTING, S.VERIFYING, S.ROLLING_BACK)
PROVIDER = "provider:gke"


@pytest.fixture
def sweep(database: Database, temporal: Temporal) -> LostProposals:
    return LostProposals(database, CONFIGURATION, temporal.is_running)


async def left(database: Database, state: S, ago: timedelta = LONG, tenant: str = "default") -> Proposal:
    made = await stored_proposal(database, tenant=tenant)
    changes = {"state": state.value, "document": made.model_dump(mode="json"), "state_since": utc_now() - ago}
    async with database.transaction() as connection:
        await take_lease(connection, made.action.target.serialisation_domain, made.id)
        await connection.execute(update(proposals).where(proposals.c.id == made.id).values(**changes))
    return made


async def row_of(database: Database, made: Proposal) -> Any:
    async with database.reading() as connection:
        return (await connection.execute(select(proposals).where(proposals.c.id == made.id))).one()


@pytest.mark.parametrize("state", BEGUN)
async def test_what_has_begun_and_has_no_workflow_is_left_to_a_person_with_its_target_locked(
    database: Database, sweep: LostProposals, state: S
) -> None:
    made = await left(database, state)
    assert [await sweep.hand_over(), await sweep.hand_over()] == [1, 0]
    row = await row_of(database, made)
    assert (row.state, row.reason_code) == (S.DIRTY, "workflow_lost")
    async with database.reading() as connection:
        owner = await leases.owner_of(connection, made.action.target.serialisation_domain)
        told = select(outbox.c.payload).where(outbox.c.subject == made.id, outbox.c.kind == "notify")
        paged = [one["event"] for one in (await connection.execute(told)).scalars()]
    assert owner == made.id
    assert paged == ["dirty"]


async def test_what_was_to_begin_and_has_no_workflow_is_closed_and_frees_its_cluster(
    database: Database, sweep: LostProposals, temporal: Temporal
) -> None:
    made = await left(database, S.READY)
    temporal.running.add(proposal_workflow_id(made.id))
    assert await sweep.hand_over() == 0
    temporal.running.clear()
    assert [await sweep.hand_over(), await sweep.hand_over()] == [1, 0]
    row = await row_of(database, made)
    assert (row.state, row.reason_code) == (S.CANCELLED, "workflow_lost")
    async with database.reading() as connection:
        assert await leases.owner_of(connection, made.action.target.serialisation_domain) is None


async def test_an_effect_at_which_nobody_looked_closes_no_breaker_that_it_probed_and_counts_against_no_kind(
    database: Database, sweep: LostProposals
) -> None:
    made = await left(database, S.VERIFYING)
    async with database.transaction() as connection:
        past = await database_now(connection) - LONG
        await breakers.open_by_hand(
            connection, PROVIDER, actor=ANA, reason="outage", lasts=LONG - LONG, now=past, tenant="default"
        )
        assert await breakers.take_probe(connection, PROVIDER, made.id, past + LONG, tenant="default")
    assert await sweep.hand_over() == 1
    async with database.reading() as connection:
        found = {one.id: (one.state, one.probe_owner) for one in await breakers.all_breakers(connection)}
    assert found == {PROVIDER: (BreakerState.OPEN, None)}


async def test_what_a_workflow_runs_for_is_never_taken_from_it(
    database: Database, sweep: LostProposals, temporal: Temporal
) -> None:
    made = await left(database, S.ROLLING_BACK, timedelta(days=9))
    temporal.running.add(proposal_workflow_id(made.id))
    assert await sweep.hand_over() == 0
    assert (await row_of(database, made)).state == S.ROLLING_BACK
    temporal.running.clear()
    assert await sweep.hand_over() == 1


@pytest.mark.parametrize(
    ("state", "ago"),
    [
        (S.EXECUTING, LATELY),
        (S.READY, LATELY),
        (S.AWAITING_APPROVAL, LONG),
        (S.SUCCEEDED, LONG),
        (S.DIRTY, LONG),
    ],
)
async def test_what_moved_lately_or_has_not_begun_or_is_over_is_not_even_asked_for(
    database: Database, sweep: LostProposals, temporal: Temporal, state: S, ago: timedelta
) -> None:
    made = await left(database, state, ago)
    assert await sweep.hand_over() == 0
    assert (await row_of(database, made)).state == state
    assert temporal.asked == []


@pytest.mark.parametrize("state", [S.SUCCEEDED, S.VERIFYING])
async def test_what_moves_while_temporal_is_asked_is_left_alone(database: Database, state: S) -> None:
    made = await left(database, S.EXECUTING)

    async def moves_meanwhile(_workflow_id: str) -> bool:
        async with database.transaction() as connection:
            changes = {"state": state.value, "state_since": utc_now()}
            await connection.execute(update(proposals).where(proposals.c.id == made.id).values(**changes))
        return False

    assert await LostProposals(database, CONFIGURATION, moves_meanwhile).hand_over() == 0
    assert (await row_of(database, made)).state == state


async def test_while_temporal_does_not_answer_nothing_is_left_to_a_person(database: Database) -> None:
    async def unknown(_workflow_id: str) -> bool:
        raise WorkflowUnavailable("away")

    made = await left(database, S.EXECUTING)
    with pytest.raises(WorkflowUnavailable):
        await LostProposals(database, CONFIGURATION, unknown).hand_over()
    assert (await row_of(database, made)).state == S.EXECUTING


async def test_what_temporal_could_not_be_asked_about_does_not_keep_what_it_said_before_from_being_handed_over(
    database: Database, sweep: LostProposals, temporal: Temporal
) -> None:
    made = [await left(database, state, timedelta(days=9 - place)) for place, state in enumerate(BEGUN)]
    temporal.silent.add(proposal_workflow_id(made[1].id))
    with pytest.raises(WorkflowUnavailable):
        await sweep.hand_over()
    assert [(await row_of(database, one)).state for one in made] == [S.DIRTY, *BEGUN[1:]]
    assert await sweep.hand_over() == 1
    assert [(await row_of(database, one)).state for one in made] == [S.DIRTY, BEGUN[1], S.DIRTY]


async def test_another_tenants_effects_are_left_alone(database: Database, sweep: LostProposals) -> None:
    made = await left(database, S.EXECUTING, tenant="other")
    assert await sweep.hand_over() == 0
    assert (await row_of(database, made)).state == S.EXECUTING
