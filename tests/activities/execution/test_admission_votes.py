"""The intent transaction and the votes: each is verified again, right before the effect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, update

from adapters.store import decisions
from adapters.store.schema import decisions as decisions_table
from adapters.store.schema import evaluations
from contracts.decision import DecisionKind, DecisionStatus
from contracts.principal import Role
from tests.activities.execution.admitting import S, approved
from tests.contracts.samples import ANA, BEN
from tests.proposal_stack import EffectStack


async def change_vote(stack: EffectStack, proposal_id: str, document: dict[str, Any]) -> None:
    async with stack.database.transaction() as connection:
        await connection.execute(
            update(decisions_table)
            .where(decisions_table.c.proposal_id == proposal_id)
            .values(document=document)
        )


async def test_a_valid_vote_lets_the_effect_through(stack: EffectStack) -> None:
    assert (await stack.execute(await approved(stack))).state is S.VERIFYING


async def test_a_vote_whose_signature_is_not_ours_does_not(stack: EffectStack) -> None:
    proposal_id = await approved(stack)
    foreign = await stack.signed(proposal_id, BEN, key=Ed25519PrivateKey.generate())
    await change_vote(stack, proposal_id, foreign.model_dump(mode="json"))
    outcome = await stack.execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DENIED, "approvals_invalid")
    assert stack.sizes_set() == []


async def test_a_vote_of_an_author_or_on_another_digest_or_too_late_does_not(stack: EffectStack) -> None:
    author = ANA.model_copy(update={"roles": (Role.APPROVER,)})
    proposal_id = await approved(stack)
    row = await stack.row(proposal_id)
    for signed in (
        await stack.signed(proposal_id, author),
        await stack.signed(proposal_id, BEN, proposal_digest="sha256:other"),
        await stack.signed(proposal_id, BEN, at=row.decide_by + timedelta(seconds=1)),
    ):
        await change_vote(stack, proposal_id, signed.model_dump(mode="json"))
        async with stack.database.reading() as connection:
            kept = await decisions.standing(connection, proposal_id, 1)
        assert kept == (signed,)
    assert (await stack.execute(proposal_id)).reason_code == "approvals_invalid"


@pytest.mark.parametrize("kind", [DecisionKind.WITHDRAW, DecisionKind.REQUEST_CHANGE, DecisionKind.REJECT])
async def test_a_vote_that_is_no_approval_does_not(stack: EffectStack, kind: DecisionKind) -> None:
    proposal_id = await approved(stack)
    newest = await stack.signed(proposal_id, BEN, kind)
    await change_vote(stack, proposal_id, newest.model_dump(mode="json"))
    assert (await stack.execute(proposal_id)).reason_code == "approvals_invalid"
    assert stack.sizes_set() == []


@pytest.mark.parametrize("status", [one for one in DecisionStatus if one is not DecisionStatus.APPLIED])
async def test_a_vote_that_does_not_stand_does_not(stack: EffectStack, status: DecisionStatus) -> None:
    proposal_id = await approved(stack)
    async with stack.database.transaction() as connection:
        await connection.execute(update(decisions_table).values(status=status.value))
    assert (await stack.execute(proposal_id)).reason_code == "approvals_invalid"
    assert stack.sizes_set() == []


async def test_votes_fall_short_of_what_the_newest_pass_asks_for(stack: EffectStack) -> None:
    proposal_id = await approved(stack)
    async with stack.database.transaction() as connection:
        requirement = {"quorum": 2, "roles": ["approver"], "rules": []}
        newest = (
            await connection.execute(select(evaluations.c.document).where(evaluations.c.pass_number == 2))
        ).scalar_one()
        await connection.execute(
            update(evaluations)
            .where(evaluations.c.pass_number == 2)
            .values(document=newest | {"requirement": requirement})
        )
    assert (await stack.execute(proposal_id)).reason_code == "approvals_invalid"
