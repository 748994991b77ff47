"""What alerts become while their target has an open proposal: on a real database, from many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, update
from temporalio.testing import ActivityEnvironment

from activities.request.closing import RequestActivities
from adapters.configuration import parse
from adapters.store import requests
from adapters.store.database import Database
from adapters.store.schema import metadata, proposals
from contracts.action import ResizeNodePool
from contracts.base import new_id, utc_now
from contracts.messages import AgentResult, CloseRequestInput, CloseRequestResult
from contracts.principal import service
from contracts.proposal import Planner, PlannerKind
from contracts.request import Alert, Channel, Proposed, ProposedAction, Request, RequestStatus, Trust
from tests.activities.guardrail.conftest import CONFIGURATION

RULES = Planner(kind=PlannerKind.RULES)


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


def resize(pool: str = "web", node_count: int = 4) -> ResizeNodePool:
    return ResizeNodePool(
        project="acme-dev", location="us-central1", cluster="dev", node_pool=pool, node_count=node_count
    )


class Intake:
    """Requests that are received and closed as the workflow does it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.activities = RequestActivities(database, parse(CONFIGURATION), "practice")

    async def receive(self, channel: Channel = Channel.EVENT) -> Request:
        now = utc_now()
        fired = Alert(fingerprint=new_id("f"), starts_at=now, status="firing", labels={})
        made = Request(
            id=new_id("req"),
            tenant="default",
            requester=service("alertmanager"),
            channel=channel,
            text="firing",
            alert=fired if channel is Channel.EVENT else None,
            trust=Trust.UNTRUSTED,
            received_at=now,
        )
        async with self.database.transaction() as connection:
            await requests.create(connection, made)
        return made

    async def close(self, request: Request, *actions: ResizeNodePool) -> CloseRequestResult:
        proposed = tuple(ProposedAction(action=one, rationale="", confidence=0.8) for one in actions)
        result = AgentResult(outcome=Proposed(text="Because.", actions=proposed), planner=RULES)
        given = CloseRequestInput(request=request, result=result)
        closed: CloseRequestResult = await ActivityEnvironment().run(self.activities.close_request, given)
        return closed

    async def ask(self, *actions: ResizeNodePool, channel: Channel = Channel.EVENT) -> CloseRequestResult:
        return await self.close(await self.receive(channel), *actions)

    async def rows(self, table: str) -> list[Any]:
        async with self.database.reading() as connection:
            return list((await connection.execute(select(metadata.tables[table]))).all())

    async def finish(self, state: str = "succeeded") -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(proposals).values(state=state))


@pytest.fixture
def intake(database: Database) -> Intake:
    return Intake(database)


async def test_a_second_alert_for_the_same_gets_no_proposal_and_is_told_of_the_first(intake: Intake) -> None:
    first = await intake.ask(resize())
    request = await intake.receive()
    second = await intake.close(request, resize())
    assert (second.status, second.proposals) == (RequestStatus.REFUSED, ())
    (row,) = [one for one in await intake.rows("requests") if one.id == request.id]
    (made,) = first.proposals
    assert row.reason_code == "coalesced"
    assert made.proposal_id in row.answer
    assert row.joined == [made.proposal_id]
    assert await intake.close(request, resize()) == second


async def test_another_value_for_the_same_target_waits_until_the_open_proposal_is_closed(
    intake: Intake,
) -> None:
    first = await intake.ask(resize(node_count=4))
    request = await intake.receive()
    assert (await intake.close(request, resize(node_count=6))).status is RequestStatus.REFUSED
    (row,) = [one for one in await intake.rows("requests") if one.id == request.id]
    assert row.reason_code == "target_has_open_proposal"
    assert first.proposals[0].proposal_id in row.answer
    assert row.joined == []
    await intake.finish()
    assert len((await intake.ask(resize(node_count=6))).proposals) == 1


@pytest.mark.parametrize("state", ["awaiting_approval", "ready", "executing", "verifying", "rolling_back"])
async def test_a_proposal_is_open_until_its_last_state(intake: Intake, state: str) -> None:
    await intake.ask(resize())
    await intake.finish(state)
    assert (await intake.ask(resize())).proposals == ()


async def test_what_people_ask_for_is_not_coalesced_and_alerts_see_it(intake: Intake) -> None:
    for _ in range(2):
        assert len((await intake.ask(resize(), channel=Channel.CHAT)).proposals) == 1
    assert (await intake.ask(resize())).proposals == ()


async def test_of_several_actions_the_new_ones_are_proposed_and_the_others_told(intake: Intake) -> None:
    first = await intake.ask(resize("a"))
    closed = await intake.ask(resize("a"), resize("b"), resize("b", 5))
    assert closed.status is RequestStatus.PROPOSED
    assert [one.action for one in closed.proposals] == [resize("b")]
    (row,) = [one for one in await intake.rows("requests") if one.joined]
    assert first.proposals[0].proposal_id in row.answer


async def test_a_crowd_of_alerts_makes_one_proposal_per_target(intake: Intake) -> None:
    pools = [f"pool-{number}" for number in range(4)]
    received = [await intake.receive() for _ in range(40)]
    closed = await asyncio.gather(
        *[
            intake.close(request, resize(pools[number % 4]), resize(pools[(number + 1) % 4]))
            for number, request in enumerate(received)
        ]
    )
    made = await intake.rows("proposals")
    assert Counter(row.target_key for row in made) == {resize(pool).target.key: 1 for pool in pools}
    assert {row.status for row in await intake.rows("requests")} == {"proposed", "refused"}
    assert sum(len(one.proposals) for one in closed) == 4
