"""Access to Temporal alone neither approves nor rejects, crashes nothing, and leaves a trace of why it failed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from contracts.base import utc_now
from contracts.decision import DecisionKind
from contracts.messages import DECIDE_SIGNAL, DECIDE_UPDATE, WAKE_SIGNAL
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import ProposalState
from contracts.signature import encode_public_key
from tests.contracts.samples import ANA, BEN
from tests.proposal_stack import CAROL, ProposalStack, eventually, forged

S = ProposalState
BOT = Principal(kind=PrincipalKind.AGENT, subject="bot")
VIEWER = Principal(kind=PrincipalKind.HUMAN, subject="vera", roles=(Role.VIEWER,))
SELF = ANA.model_copy(update={"roles": (Role.REQUESTER, Role.APPROVER)})
GARBAGE: list[list[Any]] = [
    [],
    ["approve"],
    [{"decision": "approve"}],
    [None],
    [7, 8],
    [b"\x00\xff"],
    [{"decision": {}, "signature": "A" * 4_000}],
]


async def waiting(stack: ProposalStack, **changes: Any) -> tuple[Any, str]:
    handle = await stack.propose(**changes)
    proposal_id = handle.id.removeprefix("proposal/")
    await stack.until(proposal_id, S.AWAITING_APPROVAL)
    return handle, proposal_id


async def code_of_update(handle: Any, *args: Any) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(DECIDE_UPDATE, args=args)
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.type


async def refusals(stack: ProposalStack, proposal_id: str) -> list[str]:
    audit = await stack.audit(proposal_id)
    return [one["payload"]["reason_code"] for one in audit if one["type"] == "decision.refused"]


@pytest.mark.parametrize("kind", [DecisionKind.APPROVE, DecisionKind.REJECT])
async def test_an_update_without_a_valid_signature_changes_nothing_and_is_audited(
    stack: ProposalStack, kind: DecisionKind
) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        fake = forged(await stack.signed(proposal_id, BEN, kind))
        for _ in range(5):
            assert await code_of_update(handle, fake) == "bad_signature"
        stranger = await stack.signed(proposal_id, BEN, kind, key=Ed25519PrivateKey.generate())
        assert await code_of_update(handle, stranger) == "bad_signature"
        assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL
        assert stack.recorder is not None
        await asyncio.sleep(0.1)
        await stack.recorder.drain()
        assert await refusals(stack, proposal_id) == ["bad_signature"] * 6
        await stack.decide(proposal_id, CAROL)
        assert (await handle.result()).state is S.SUCCEEDED
    claimed = [one["payload"] for one in await stack.audit(proposal_id) if one["type"] == "decision.refused"]
    assert claimed[0]["claimed_reviewer"] == "local/ben"


async def test_a_signal_without_a_valid_signature_changes_nothing_and_is_audited(
    stack: ProposalStack,
) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        await handle.signal(DECIDE_SIGNAL, forged(await stack.signed(proposal_id)))
        await handle.signal(DECIDE_SIGNAL, forged(await stack.signed(proposal_id, kind=DecisionKind.REJECT)))

        async def both() -> bool:
            return await refusals(stack, proposal_id) == ["bad_signature"] * 2

        await eventually(both)
        assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL
        await stack.decide(proposal_id)
        assert (await handle.result()).state is S.SUCCEEDED


async def test_a_workflow_of_a_name_that_nothing_can_be_written_of_keeps_no_other_refusal_from_the_audit(
    stack: ProposalStack,
) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        strange = await stack.start((await stack.create()).model_copy(update={"id": "prp_\x00"}))
        assert await code_of_update(strange, "approve") == "malformed_decision"
        assert await code_of_update(handle, "approve") == "malformed_decision"

        async def is_audited() -> bool:
            return await refusals(stack, proposal_id) == ["malformed_decision"]

        await eventually(is_audited)
        await strange.terminate()
        await handle.terminate()


async def test_garbage_of_any_shape_is_refused_and_the_workflow_goes_on(stack: ProposalStack) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        for parts in GARBAGE:
            await code_of_update(handle, *parts)
            await handle.signal(DECIDE_SIGNAL, args=parts)
            await handle.signal(WAKE_SIGNAL, args=parts)
        await asyncio.sleep(0.5)
        assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL
        await stack.decide(proposal_id)
        assert (await handle.result()).state is S.SUCCEEDED
    assert set(await refusals(stack, proposal_id)) == {"malformed_decision"}


async def test_a_decision_whose_time_has_no_offset_cannot_stop_the_workflow(stack: ProposalStack) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        message = (await stack.signed(proposal_id)).model_dump(mode="json")
        message["decision"]["at"] = "2026-11-21T12:00:00"
        assert await code_of_update(handle, message) == "malformed_decision"
        await handle.signal(DECIDE_SIGNAL, message)
        await stack.decide(proposal_id)
        assert (await asyncio.wait_for(handle.result(), 60)).state is S.SUCCEEDED


async def test_a_signed_decision_that_the_api_never_stored_does_not_count(stack: ProposalStack) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        signed = await stack.signed(proposal_id)
        assert await code_of_update(handle, signed) == "decision_unknown"
        assert await refusals(stack, proposal_id) == ["decision_unknown"]
        assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL
        await stack.record(signed)
        assert (await handle.execute_update(DECIDE_UPDATE, signed, id="again"))["state"] == "ready"
        assert (await handle.result()).state is S.SUCCEEDED


@pytest.mark.parametrize(
    ("reviewer", "code"),
    [
        (SELF, "not_eligible_requester"),
        (BOT, "not_eligible_kind"),
        (VIEWER, "not_eligible_role"),
    ],
)
async def test_who_may_not_decide_is_told_why(stack: ProposalStack, reviewer: Principal, code: str) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        assert await code_of_update(handle, await stack.signed(proposal_id, reviewer)) == code
        await handle.terminate()


async def test_a_co_author_may_not_decide(stack: ProposalStack) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack, authors=(ANA, BEN))
        assert await code_of_update(handle, await stack.signed(proposal_id, BEN)) == "not_eligible_author"
        await handle.terminate()


async def test_a_decision_on_something_else_does_not_count(stack: ProposalStack) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        other = await stack.signed(proposal_id, proposal_digest="sha256:" + "0" * 64)
        assert await code_of_update(handle, other) == "stale_digest"
        assert await code_of_update(handle, await stack.signed(proposal_id, revision=2)) == "stale_revision"
        assert await code_of_update(handle, await stack.signed(proposal_id, tenant="other")) == "stale_digest"
        late = await stack.signed(proposal_id, at=utc_now() + timedelta(days=1))
        assert await code_of_update(handle, late) == "decision_late"
        await handle.terminate()


async def test_after_the_close_nothing_is_decided(stack: ProposalStack) -> None:
    stack.guard.quorums, stack.guard.holds = [1, 1, 0], 1_000
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        await stack.decide(proposal_id)
        await stack.until(proposal_id, S.READY)
        await asyncio.sleep(0.3)
        late = await stack.signed(proposal_id, CAROL, DecisionKind.REJECT)
        assert await code_of_update(handle, late) == "proposal_closed"
        await handle.terminate()


async def test_a_workflow_started_with_foreign_keys_decides_nothing(stack: ProposalStack) -> None:
    thief = Ed25519PrivateKey.generate()
    foreign = await stack.signed((await stack.create()).id, key=thief)
    stack.public_keys = {foreign.decision.key_id: encode_public_key(thief.public_key())}
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        signed = await stack.signed(proposal_id, key=thief)
        await stack.record(signed)
        assert await code_of_update(handle, signed) == "bad_signature"
        assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL
        await handle.terminate()
