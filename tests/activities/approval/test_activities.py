"""Decisions, judged by what the database holds."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import insert, select, update
from temporalio.exceptions import ApplicationError

from adapters.store import breakers, decisions, leases, proposals
from adapters.store.ledger import Amount
from adapters.store.schema import decisions as decisions_table
from adapters.store.schema import evaluations, ledger_entries
from contracts.decision import DecisionKind, SignedDecision
from contracts.errors import NotFound
from contracts.messages import CloseInput, DecisionInput, PassInput, RefusalInput, StandingInput
from contracts.principal import SYSTEM, Principal
from contracts.proposal import ProposalState
from tests.contracts.samples import AGENT, ANA, BEN
from tests.proposal_stack import CAROL, EffectStack, forged, resize
from tests.steps import reserve

S = ProposalState


async def waiting(stack: EffectStack, quorum: int = 1) -> str:
    stack.guard.quorums = [quorum]
    draft = await stack.create(resize(3))
    await stack.guard.check_proposal(PassInput(proposal_id=draft.id, revision=1, pass_number=1))
    async with stack.database.transaction() as connection:
        await proposals.lock(connection, draft.id)
        amount = Amount(scope="tenant", window="month:2026-11", currency="USD", amount=Decimal(10))
        await reserve(connection, "default", draft.id, [amount])
    return draft.id


async def stored(
    stack: EffectStack, proposal_id: str, kind: DecisionKind = DecisionKind.APPROVE, reviewer: Principal = BEN
) -> SignedDecision:
    signed = await stack.signed(proposal_id, reviewer, kind)
    await stack.record(signed)
    return signed


async def apply(stack: EffectStack, signed: SignedDecision) -> tuple[str, int]:
    result = await stack.approval.record_decision(DecisionInput(signed=signed))
    return result.state, result.approvals


async def refused(stack: EffectStack, signed: SignedDecision) -> str | None:
    with pytest.raises(ApplicationError) as refusal:
        await stack.approval.record_decision(DecisionInput(signed=signed))
    assert refusal.value.non_retryable
    return refusal.value.type


async def status(stack: EffectStack, signed: SignedDecision) -> str:
    async with stack.database.reading() as connection:
        wanted = select(decisions_table.c.status).where(decisions_table.c.id == signed.decision.id)
        return str((await connection.execute(wanted)).scalar_one())


async def money(stack: EffectStack, proposal_id: str) -> list[str]:
    async with stack.database.reading() as connection:
        wanted = select(ledger_entries.c.kind).where(ledger_entries.c.proposal_id == proposal_id)
        return sorted((await connection.execute(wanted)).scalars())


async def test_an_approval_is_applied_once_however_often_it_is_delivered(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    signed = await stored(stack, proposal_id)
    assert await apply(stack, signed) == ("ready", 1)
    assert await apply(stack, signed) == ("ready", 1)
    types = [event["type"] for event in await stack.audit(proposal_id)]
    assert types.count("decision.applied") == 1
    assert await status(stack, signed) == "applied"


async def test_a_rejection_gives_the_reservation_back(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    assert await apply(stack, await stored(stack, proposal_id, DecisionKind.REJECT)) == ("rejected", 0)
    assert await money(stack, proposal_id) == ["release", "reserve"]


async def test_two_concurrent_approvals_of_one_that_is_needed_leave_one_refused(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    votes = [await stored(stack, proposal_id, reviewer=person) for person in (BEN, CAROL)]
    results = await asyncio.gather(*(apply(stack, vote) for vote in votes), return_exceptions=True)
    failures = [one for one in results if isinstance(one, ApplicationError)]
    assert [failure.type for failure in failures] == ["proposal_closed"]
    assert sorted([await status(stack, vote) for vote in votes]) == ["applied", "refused"]


async def test_what_was_not_stored_or_is_stored_otherwise_is_unknown(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    assert await refused(stack, await stack.signed(proposal_id)) == "decision_unknown"
    signed = await stored(stack, proposal_id)
    assert await refused(stack, forged(signed)) == "decision_unknown"
    assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL


async def test_a_stored_decision_under_a_foreign_signature_is_refused(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    fake = forged(await stack.signed(proposal_id))
    await stack.record(fake)
    assert await refused(stack, fake) == "bad_signature"
    assert await status(stack, fake) == "refused"


async def test_a_decision_that_was_made_to_look_applied_is_no_answer_without_a_valid_signature(
    stack: EffectStack,
) -> None:
    fake = forged(await stack.signed(await waiting(stack)))
    await stack.record(fake)
    async with stack.database.transaction() as connection:
        await connection.execute(update(decisions_table).values(status="applied"))
    assert await refused(stack, fake) == "bad_signature"


async def test_a_stored_decision_on_another_digest_is_refused(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    other = await stack.signed(proposal_id, kind=DecisionKind.REJECT, proposal_digest="sha256:other")
    await stack.record(other)
    assert await refused(stack, other) == "stale_digest"
    assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL


async def test_a_decision_after_the_close_is_marked_and_its_voter_can_be_told(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    late = await stored(stack, proposal_id, reviewer=CAROL)
    await apply(stack, await stored(stack, proposal_id, DecisionKind.REJECT))
    assert await refused(stack, late) == "proposal_closed"
    assert await refused(stack, late) == "proposal_closed"
    assert await status(stack, late) == "refused"


async def test_a_request_for_change_voids_the_votes_and_leaves_it_waiting(stack: EffectStack) -> None:
    proposal_id = await waiting(stack, quorum=2)
    first = await stored(stack, proposal_id)
    assert await apply(stack, first) == ("awaiting_approval", 1)
    asked = await stored(stack, proposal_id, DecisionKind.REQUEST_CHANGE, CAROL)
    assert await apply(stack, asked) == ("awaiting_approval", 0)
    assert await status(stack, first) == "voided"
    assert await refused(stack, first) == "change_requested"


async def test_a_request_for_change_leaves_what_was_refused_refused(stack: EffectStack) -> None:
    proposal_id = await waiting(stack, quorum=2)
    late = await stored(stack, proposal_id)
    async with stack.database.transaction() as connection:
        assert await decisions.refuse(connection, late.decision.id, "decision_late", SYSTEM)
    await apply(stack, await stored(stack, proposal_id, DecisionKind.REQUEST_CHANGE, CAROL))
    assert await status(stack, late) == "refused"


async def test_what_was_applied_is_not_refused_any_more(stack: EffectStack) -> None:
    signed = await stored(stack, await waiting(stack))
    await apply(stack, signed)
    async with stack.database.transaction() as connection:
        assert not await decisions.refuse(connection, signed.decision.id, "decision_late", SYSTEM)
    assert await status(stack, signed) == "applied"


async def test_the_votes_of_two_people_stand_beside_each_other(stack: EffectStack) -> None:
    proposal_id = await waiting(stack, quorum=2)
    votes = [await stored(stack, proposal_id, reviewer=person) for person in (BEN, CAROL)]
    assert [await apply(stack, vote) for vote in votes] == [("awaiting_approval", 1), ("ready", 2)]
    assert [await status(stack, vote) for vote in votes] == ["applied", "applied"]


async def test_a_vote_is_measured_by_what_the_newest_pass_asks_for(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    async with stack.database.transaction() as connection:
        first = (await connection.execute(select(evaluations))).one()
        stricter = first.document | {"requirement": first.document["requirement"] | {"quorum": 2}}
        newer = dict(first._mapping) | {"pass_number": 2, "document": stricter}
        await connection.execute(insert(evaluations).values(newer))
    assert await apply(stack, await stored(stack, proposal_id)) == ("awaiting_approval", 1)


async def test_expiry_gives_everything_back(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    assert await stack.lease_owner() == proposal_id
    closing = CloseInput(
        proposal_id=proposal_id, revision=1, state=S.EXPIRED, reason_code="execute_by_passed"
    )
    closed = await stack.approval.close_proposal(closing)
    assert closed == await stack.approval.close_proposal(closing)
    assert (closed.state, closed.reason_code) == (S.EXPIRED, "execute_by_passed")
    assert await stack.lease_owner() is None


async def test_what_moved_on_is_not_closed(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    closing = CloseInput(proposal_id=proposal_id, revision=1, state=S.EXPIRED, reason_code="late")
    assert (await stack.approval.close_proposal(closing)).state is S.VERIFYING
    async with stack.database.reading() as connection:
        owner = await leases.owner_of(connection, resize().target.serialisation_domain)
    assert owner == proposal_id


async def test_another_revision_is_not_closed(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    closing = CloseInput(proposal_id=proposal_id, revision=2, state=S.EXPIRED, reason_code="late")
    assert (await stack.approval.close_proposal(closing)).state is S.AWAITING_APPROVAL


async def test_the_state_is_told_and_unknown_ones_are_not_found(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    standing = await stack.approval.read_state(StandingInput(proposal_id=proposal_id))
    assert (standing.state, standing.revision) == (S.AWAITING_APPROVAL, 1)
    with pytest.raises(NotFound):
        await stack.approval.read_state(StandingInput(proposal_id="prp_none"))


async def test_a_refusal_is_audited_as_claimed(stack: EffectStack) -> None:
    proposal_id = await waiting(stack)
    given = RefusalInput(
        proposal_id=proposal_id,
        tenant="default",
        decision_id="dec_x",
        claimed_reviewer=f"local/{ANA.subject}",
        reason_code="bad_signature",
    )
    await stack.approval.record_refusal(given)
    event = (await stack.audit(proposal_id))[-1]
    assert (event["type"], event["payload"]) == ("decision.refused", given.model_dump(mode="json"))
    assert event["actor"]["subject"] == "sluice"


async def test_an_agent_that_people_override_too_often_needs_a_person_for_everything(
    stack: EffectStack,
) -> None:
    for number, kind in enumerate((DecisionKind.APPROVE, *[DecisionKind.REQUEST_CHANGE] * 9)):
        stack.guard.quorums = [1]
        draft = await stack.create(resize(3), authors=(ANA, AGENT))
        await stack.guard.check_proposal(PassInput(proposal_id=draft.id, revision=1, pass_number=1))
        signed = await stored(stack, draft.id, kind)
        for _ in range(2):
            await apply(stack, signed)
        async with stack.database.reading() as connection:
            found = await breakers.find(connection, "agent:local/capacity-agent")
        is_open = found is not None and found.state == "open"
        assert is_open is (number == 9)
    assert found is not None
    assert found.rule == "override_rate"


@pytest.mark.parametrize("kind", [DecisionKind.WITHDRAW, DecisionKind.REJECT, DecisionKind.REQUEST_CHANGE])
async def test_an_approval_does_not_count_beside_a_newer_word_of_its_person_that_is_under_way(
    stack: EffectStack, kind: DecisionKind
) -> None:
    proposal_id = await waiting(stack, quorum=2)
    assert await apply(stack, await stored(stack, proposal_id)) == ("awaiting_approval", 1)
    newer = await stored(stack, proposal_id, kind)
    other = await stored(stack, proposal_id, reviewer=CAROL)
    assert await apply(stack, other) == ("awaiting_approval", 1)
    after = "rejected" if kind is DecisionKind.REJECT else "awaiting_approval"
    assert (await apply(stack, newer))[0] == after
    assert await status(stack, newer) == "applied"


async def test_an_approval_said_again_does_not_take_the_first_away(stack: EffectStack) -> None:
    proposal_id = await waiting(stack, quorum=2)
    await apply(stack, await stored(stack, proposal_id))
    await stored(stack, proposal_id, DecisionKind.WITHDRAW)
    await stored(stack, proposal_id)
    assert await apply(stack, await stored(stack, proposal_id, reviewer=CAROL)) == ("ready", 2)
