"""Requests whose workflow is gone: closed once no planner can be at work any more, never what is still planned."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from activities.housekeeping.unplanned import UnplannedRequests
from adapters.configuration import parse
from adapters.store import ledger, outbox, requests
from adapters.store.database import Database
from adapters.store.ledger import Cap, ModelClaim
from adapters.store.outbox import OutboxKind
from adapters.store.schema import audit_events
from contracts.configuration import Configuration
from contracts.errors import WorkflowUnavailable
from contracts.messages import request_workflow_id
from contracts.request import Request, RequestStatus
from tests.activities.housekeeping.conftest import Temporal
from tests.adapters.store.ledger_money import amount, balance, faults
from tests.adapters.store.samples import request

CONFIGURATION: Configuration = parse("environments: {production: {}}")
LONG, LATELY = timedelta(hours=6, minutes=1), timedelta(hours=5, minutes=59)
FAILED = ("failed", "agent_failed", "The request could not be planned. Nothing was proposed.")


@pytest.fixture
def sweep(database: Database, temporal: Temporal) -> UnplannedRequests:
    return UnplannedRequests(database, CONFIGURATION, temporal.is_running)


async def received(
    database: Database, ago: timedelta, *, planning: bool = True, tenant: str = "default"
) -> Request:
    fresh = request()
    made = fresh.model_copy(update={"received_at": fresh.received_at - ago, "tenant": tenant})
    async with database.transaction() as connection:
        await requests.create(connection, made)
        if planning:
            await requests.mark_planning(connection, made.id)
    return made


async def row_of(database: Database, made: Request) -> Any:
    async with database.reading() as connection:
        return await requests.find(connection, made.tenant, made.id)


@pytest.mark.parametrize("planning", [True, False])
async def test_what_nobody_plans_any_more_is_closed_once_and_the_audit_log_says_so(
    database: Database, sweep: UnplannedRequests, planning: bool
) -> None:
    made = await received(database, LONG, planning=planning)
    assert [await sweep.close(), await sweep.close()] == [1, 0]
    row = await row_of(database, made)
    assert (row.status, row.reason_code, row.answer) == FAILED
    async with database.reading() as connection:
        wanted = select(audit_events.c.leaf).where(audit_events.c.subject == made.id)
        told = [json.loads(leaf) for leaf in (await connection.execute(wanted)).scalars()]
    closed = [one["payload"] for one in told if one["type"] == "request.closed"]
    assert [(one["status"], one["reason_code"]) for one in closed] == [FAILED[:2]]


async def test_what_temporal_still_runs_stays_open_however_old_it_is(
    database: Database, sweep: UnplannedRequests, temporal: Temporal
) -> None:
    planned, waiting = [await received(database, timedelta(days=9), planning=one) for one in (True, False)]
    temporal.running |= {request_workflow_id(one.id) for one in (planned, waiting)}
    assert await sweep.close() == 0
    assert [(await row_of(database, one)).status for one in (planned, waiting)] == ["planning", "received"]
    temporal.running.discard(request_workflow_id(planned.id))
    assert await sweep.close() == 1
    assert [(await row_of(database, one)).status for one in (planned, waiting)] == ["failed", "received"]


async def test_what_could_be_planned_by_now_is_not_even_asked_for(
    database: Database, sweep: UnplannedRequests, temporal: Temporal
) -> None:
    made = await received(database, LATELY)
    assert await sweep.close() == 0
    assert (await row_of(database, made)).status == "planning"
    assert temporal.asked == []


async def test_what_is_to_be_started_yet_is_planned_once_temporal_is_back(
    database: Database, sweep: UnplannedRequests
) -> None:
    made = await received(database, LONG, planning=False)
    async with database.transaction() as connection:
        start = await outbox.put(connection, OutboxKind.START_REQUEST, made.id)
    assert await sweep.close() == 0
    async with database.transaction() as connection:
        await outbox.settle(connection, start)
    assert await sweep.close() == 1


async def test_an_outcome_stays_what_it_was(
    database: Database, sweep: UnplannedRequests, temporal: Temporal
) -> None:
    made = await received(database, LONG)
    async with database.transaction() as connection:
        await requests.close(connection, made.id, RequestStatus.ANSWERED, "It has 2 nodes.", None)
    assert await sweep.close() == 0
    assert (await row_of(database, made)).status == "answered"
    assert temporal.asked == []


async def test_an_outcome_that_comes_while_temporal_is_asked_stays(database: Database) -> None:
    made = await received(database, LONG)

    async def ends_meanwhile(_workflow_id: str) -> bool:
        async with database.transaction() as connection:
            await requests.close(connection, made.id, RequestStatus.ANSWERED, "It has 2 nodes.", None)
        return False

    assert await UnplannedRequests(database, CONFIGURATION, ends_meanwhile).close() == 0
    assert (await row_of(database, made)).status == "answered"


async def test_another_tenants_requests_are_left_alone(database: Database, sweep: UnplannedRequests) -> None:
    made = await received(database, LONG, tenant="other")
    assert await sweep.close() == 0
    assert (await row_of(database, made)).status == "planning"


async def test_while_temporal_does_not_answer_nothing_is_closed(database: Database) -> None:
    async def unknown(_workflow_id: str) -> bool:
        raise WorkflowUnavailable("away")

    made = await received(database, LONG)
    with pytest.raises(WorkflowUnavailable):
        await UnplannedRequests(database, CONFIGURATION, unknown).close()
    assert (await row_of(database, made)).status == "planning"


async def test_what_temporal_could_not_be_asked_about_does_not_keep_what_it_said_before_from_being_closed(
    database: Database, sweep: UnplannedRequests, temporal: Temporal
) -> None:
    made = [await received(database, timedelta(hours=9 - place)) for place in range(3)]
    temporal.silent.add(request_workflow_id(made[1].id))
    with pytest.raises(WorkflowUnavailable):
        await sweep.close()
    assert [(await row_of(database, one)).status for one in made] == ["failed", "planning", "planning"]
    assert await sweep.close() == 1
    assert [(await row_of(database, one)).status for one in made] == ["failed", "planning", "failed"]


async def test_a_hundred_that_temporal_runs_keep_nobody_behind_them_open(
    database: Database, sweep: UnplannedRequests, temporal: Temporal
) -> None:
    for _ in range(100):
        planned = await received(database, timedelta(days=9), planning=False)
        temporal.running.add(request_workflow_id(planned.id))
    await received(database, LONG)
    assert [await sweep.close(), await sweep.close()] == [0, 1]


async def test_the_money_of_a_model_that_nobody_asks_any_more_is_free_again(
    database: Database, sweep: UnplannedRequests
) -> None:
    made = await received(database, LONG)
    whole = amount("1", scope="model:tenant")
    async with database.transaction() as connection:
        claim = ModelClaim(whole, Cap(Decimal(5)))
        await ledger.reserve_model_spend(connection, made.tenant, made.id, [claim])
    no_time = timedelta(0)
    assert await ledger.sweep_reservations(database, planned_within=no_time) == 0
    assert await sweep.close() == 1
    assert await ledger.sweep_reservations(database) == 0
    assert await ledger.sweep_reservations(database, planned_within=no_time) == 1
    assert (await balance(database, scope=whole.scope)).reserved == 0
    assert await faults(database) == ()
