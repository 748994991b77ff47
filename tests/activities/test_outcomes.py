"""What breakers learn from a proposal's end and from people's word, on real rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from activities.closing import close_after_failure, close_after_success
from activities.costing import Outcome as Ended
from activities.outcomes import effect_outcomes, review_outcomes
from adapters.store import breakers, proposals
from adapters.store.closing import close_without_effect
from adapters.store.database import Database
from adapters.store.schema import breaker_outcomes
from contracts.configuration import BreakerLimits, Configuration, Environment
from contracts.decision import DecisionKind
from contracts.principal import SYSTEM
from contracts.proposal import Proposal, ProposalState
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import AGENT, ANA, NOON
from tests.steps import take_lease

S = ProposalState
AGENTS, KIND, PROVIDER = "agent:local/capacity-agent", "kind:gke.node_pool.resize", "provider:gke"
LIMITS = BreakerLimits(failures=1, jitter=0)
CONFIGURATION = Configuration(environments={"production": Environment()})


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


async def made(database: Database, *, by_agent: bool) -> tuple[Proposal, Any]:
    proposal = await stored_proposal(database, authors=(ANA, AGENT) if by_agent else (ANA,))
    async with database.transaction() as connection:
        return proposal, await proposals.lock(connection, proposal.id)


async def counted(database: Database) -> dict[str, bool]:
    async with database.reading() as connection:
        rows = await connection.execute(select(breaker_outcomes.c.breaker_id, breaker_outcomes.c.ok))
        return {breaker_id.partition(":")[0]: ok for breaker_id, ok in rows.all()}


@pytest.mark.parametrize(
    ("state", "reason_code", "learnt"),
    [
        (S.SUCCEEDED, "verified", {"agent": True, "kind": True, "provider": True, "target": True}),
        (
            S.ROLLED_BACK,
            "nodes_not_running",
            {"agent": False, "kind": False, "provider": True, "target": False},
        ),
        (
            S.DIRTY,
            "provider_unavailable",
            {"agent": False, "kind": False, "provider": False, "target": False},
        ),
        (S.DIRTY, "provider_ambiguous", {"agent": False, "kind": False, "provider": False, "target": False}),
        (S.FAILED, "provider_refused", {"agent": None, "kind": False, "provider": True, "target": False}),
        *[
            (S.DIRTY, code, dict.fromkeys(("agent", "kind", "provider", "target")))
            for code in (
                "lease_lost",
                "mode_mismatch",
                "operation_unclear",
                "target_not_registered",
                "workflow_lost",
            )
        ],
    ],
)
async def test_each_end_says_something_else_about_each_breaker(
    database: Database, state: S, reason_code: str, learnt: dict[str, bool | None]
) -> None:
    _, row = await made(database, by_agent=True)
    outcomes = effect_outcomes(row, state, reason_code)
    assert {one.breaker_id.partition(":")[0]: one.ok for one in outcomes} == learnt
    assert [one.breaker_id for one in outcomes] == sorted(one.breaker_id for one in outcomes)


async def test_a_breaker_tells_the_failure_behind_a_rollback_not_that_the_way_back_was_verified(
    database: Database,
) -> None:
    proposal, row = await made(database, by_agent=True)
    async with database.transaction() as connection:
        for to in (S.READY, S.EXECUTING, S.ROLLING_BACK):
            code = "stockout" if to is S.ROLLING_BACK else "test"
            await proposals.move(connection, row, to, actor=SYSTEM, reason_code=code)
            row = await proposals.lock(connection, proposal.id)
        await close_after_failure(connection, row, S.ROLLED_BACK, "verified", LIMITS)
        found = {one.id: one.last_reason_code for one in await breakers.all_breakers(connection)}
        closed = await proposals.lock(connection, proposal.id)
    assert set(found.values()) == {"stockout"}
    assert {KIND, AGENTS} <= set(found)
    assert (closed.state, closed.reason_code) == ("rolled_back", "verified")


async def test_a_way_back_at_which_nobody_looked_counts_as_what_it_was_begun_for(database: Database) -> None:
    proposal, row = await made(database, by_agent=True)
    async with database.transaction() as connection:
        for to in (S.READY, S.EXECUTING, S.ROLLING_BACK):
            await proposals.move(connection, row, to, actor=SYSTEM, reason_code="stockout")
            row = await proposals.lock(connection, proposal.id)
    outcomes = effect_outcomes(row, S.DIRTY, "workflow_lost")
    assert {(one.breaker_id.partition(":")[0], one.ok, one.reason_code) for one in outcomes} == {
        ("agent", False, "stockout"),
        ("kind", False, "stockout"),
        ("provider", True, "stockout"),
        ("target", False, "stockout"),
    }


async def test_what_people_propose_teaches_nothing_about_an_agent(database: Database) -> None:
    _, row = await made(database, by_agent=False)
    assert next(one.breaker_id for one in effect_outcomes(row, S.SUCCEEDED, "verified")) == KIND
    assert review_outcomes(row, DecisionKind.REJECT) == ()


@pytest.mark.parametrize(
    ("kind", "agreed"),
    [(DecisionKind.APPROVE, True), (DecisionKind.REJECT, False), (DecisionKind.REQUEST_CHANGE, False)],
)
async def test_rejecting_and_asking_for_change_override_an_agent(
    database: Database, kind: DecisionKind, agreed: bool
) -> None:
    _, row = await made(database, by_agent=True)
    (outcome,) = review_outcomes(row, kind)
    assert (outcome.breaker_id, outcome.ok, outcome.measure) == (AGENTS, agreed, "review")


async def test_what_had_no_effect_counts_against_nobody(database: Database) -> None:
    proposal, row = await made(database, by_agent=True)
    async with database.transaction() as connection:
        await close_without_effect(connection, row, S.DENIED, "budget_exceeded")
    assert await counted(database) == {}
    assert proposal.id == row.id


@pytest.mark.parametrize("state", [S.SUCCEEDED, S.FAILED, S.ROLLED_BACK])
async def test_no_end_leaves_a_probe_behind(database: Database, state: S) -> None:
    proposal, _ = await made(database, by_agent=True)
    path = {S.SUCCEEDED: S.VERIFYING, S.ROLLED_BACK: S.ROLLING_BACK}
    for step in (S.READY, S.EXECUTING, *([path[state]] if state in path else [])):
        async with database.transaction() as connection:
            row = await proposals.lock(connection, proposal.id)
            await proposals.move(connection, row, step, actor=SYSTEM, reason_code="test", proposal=proposal)
    ids = breakers.breaker_ids(proposal.action.target.key, proposal.action.kind, AGENT)
    async with database.transaction() as connection:
        await take_lease(connection, proposal.action.target.serialisation_domain, proposal.id)
        for one in ids:
            await breakers.open_by_hand(
                connection,
                one,
                actor=ANA,
                reason="x",
                lasts=NOON - NOON,
                now=NOON.replace(year=2020),
                tenant="default",
            )
            assert await breakers.take_probe(connection, one, proposal.id, NOON, tenant="default")
    async with database.transaction() as connection:
        row = await proposals.lock(connection, proposal.id)
        if state is S.SUCCEEDED:
            ended = Ended(since=NOON)
            await close_after_success(connection, row, "verified", CONFIGURATION, ended)
        else:
            await close_after_failure(connection, row, state, "stockout", LIMITS)
    async with database.reading() as connection:
        found = {one.id: one for one in await breakers.all_breakers(connection)}
    assert [one.probe_owner for one in found.values()] == [None] * 4
    is_good = state is S.SUCCEEDED
    assert found[KIND].state == ("closed" if is_good else "open")
    assert found[PROVIDER].state == "closed"
    assert found[AGENTS].state == ("closed" if is_good else "open")
