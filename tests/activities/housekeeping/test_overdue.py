"""Proposals whose workflow is gone: closed once their time has been over for a while, never before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, update

from activities.housekeeping.overdue import OverdueProposals
from adapters.configuration import parse
from adapters.store import decisions, leases
from adapters.store.database import Database
from adapters.store.schema import outbox, proposals
from contracts.base import utc_now
from contracts.configuration import Configuration
from contracts.decision import Decision, DecisionKind
from contracts.proposal import Proposal, ProposalState
from contracts.signature import sign
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import BEN
from tests.steps import take_lease

S = ProposalState
CONFIGURATION: Configuration = parse("environments: {production: {}}")
AGO = {"over": timedelta(minutes=11), "just over": timedelta(minutes=9), "to come": timedelta(hours=-1)}


async def left(database: Database, state: S, decide: str, execute: str, tenant: str = "default") -> Proposal:
    now = utc_now()
    made = await stored_proposal(
        database, tenant=tenant, decide_by=now - AGO[decide], execute_by=now - AGO[execute]
    )
    async with database.transaction() as connection:
        await take_lease(connection, made.action.target.serialisation_domain, made.id)
        await connection.execute(update(proposals).where(proposals.c.id == made.id).values(state=state.value))
    return made


@pytest.mark.parametrize(
    ("state", "decide", "execute", "comes_to"),
    [
        (S.EVALUATING, "over", "to come", (S.EXPIRED, "decide_by_passed")),
        (S.AWAITING_APPROVAL, "over", "to come", (S.EXPIRED, "decide_by_passed")),
        (S.READY, "over", "over", (S.EXPIRED, "execute_by_passed")),
        (S.EVALUATING, "just over", "to come", (S.EVALUATING, None)),
        (S.AWAITING_APPROVAL, "just over", "to come", (S.AWAITING_APPROVAL, None)),
        (S.READY, "over", "just over", (S.READY, None)),
        (S.EXECUTING, "over", "over", (S.EXECUTING, None)),
        (S.DIRTY, "over", "over", (S.DIRTY, None)),
    ],
)
async def test_what_nobody_closed_in_time_is_expired_with_all_it_holds(
    database: Database, state: S, decide: str, execute: str, comes_to: tuple[S, str | None]
) -> None:
    made = await left(database, state, decide, execute)
    closes = comes_to[0] is S.EXPIRED
    assert await OverdueProposals(database, CONFIGURATION).expire() == int(closes)
    async with database.reading() as connection:
        row = (await connection.execute(select(proposals).where(proposals.c.id == made.id))).one()
        domain = made.action.target.serialisation_domain
        owner = await leases.owner_of(connection, domain)
        woken = (await connection.execute(select(outbox.c.kind).where(outbox.c.subject == made.id))).all()
    assert (row.state, row.reason_code) == comes_to
    assert owner == (None if closes else made.id)
    assert len(woken) == int(closes)


async def test_a_decision_that_is_being_delivered_is_settled_first(database: Database) -> None:
    made = await left(database, S.AWAITING_APPROVAL, "over", "to come")
    decision = Decision(
        id="dec_1",
        tenant="default",
        proposal_id=made.id,
        revision=made.revision,
        kind=DecisionKind.APPROVE,
        reviewer=BEN,
        proposal_digest=made.digest,
        evaluation_digest="sha256:e",
        at=made.created_at,
        key_id="k",
    )
    async with database.transaction() as connection:
        await decisions.record(connection, sign(decision, Ed25519PrivateKey.generate()), BEN)
    sweep = OverdueProposals(database, CONFIGURATION)
    assert await sweep.expire() == 0
    async with database.transaction() as connection:
        assert await decisions.refuse(connection, decision.id, "decision_late", BEN)
    assert await sweep.expire() == 1


async def test_another_tenants_proposals_are_left_alone(database: Database) -> None:
    await left(database, S.EVALUATING, "over", "over", tenant="other")
    assert await OverdueProposals(database, CONFIGURATION).expire() == 0
