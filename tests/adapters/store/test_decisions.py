"""A vote is stored once: what comes at the same moment from the same person is told so, and leaves nothing."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from adapters.store import decisions
from adapters.store.database import Database
from adapters.store.schema import audit_events
from adapters.store.schema import decisions as rows
from contracts.audit import AuditType
from contracts.base import new_id
from contracts.decision import Decision, DecisionKind, SignedDecision
from contracts.errors import AlreadyVoted
from contracts.proposal import Draft
from contracts.signature import sign
from tests.adapters.store.blocked import somebody_waits
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import BEN
from tests.waiting import eventually


def vote_on(made: Draft) -> SignedDecision:
    decision = Decision(
        id=new_id("dec"),
        tenant="default",
        proposal_id=made.id,
        revision=1,
        kind=DecisionKind.APPROVE,
        reviewer=BEN,
        proposal_digest="sha256:1",
        evaluation_digest="sha256:2",
        at=made.created_at,
        key_id="k",
    )
    return sign(decision, Ed25519PrivateKey.generate())


async def test_of_two_votes_of_one_person_at_the_same_moment_the_later_is_refused_and_leaves_nothing(
    database: Database,
) -> None:
    made = await stored_proposal(database)
    first, second = vote_on(made), vote_on(made)

    async def vote(signed: SignedDecision) -> None:
        async with database.transaction() as connection:
            await decisions.record(connection, signed, BEN)

    async def waits_or_is_done() -> bool:
        return another.done() or await somebody_waits(database)

    async with database.transaction() as connection:
        await decisions.record(connection, first, BEN)
        another = asyncio.create_task(vote(second))
        await eventually(waits_or_is_done)
    with pytest.raises(AlreadyVoted):
        await another
    async with database.reading() as connection:
        assert list((await connection.execute(select(rows.c.id))).scalars()) == [first.decision.id]
        told = select(audit_events.c.id).where(audit_events.c.type == AuditType.DECISION_RECORDED.value)
        assert len((await connection.execute(told)).all()) == 1
