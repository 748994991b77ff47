"""APPROVAL from outside: who may decide, on what, when and how often; and what access to Temporal alone is worth."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.client import WorkflowUpdateFailedError

from contracts.base import new_id, utc_now
from contracts.decision import Decision, DecisionKind, SignedDecision
from contracts.messages import DECIDE_SIGNAL, DECIDE_UPDATE
from contracts.principal import Principal, PrincipalKind, Role
from contracts.signature import key_id_of, sign
from tests.e2e.practice_ground import CRITICAL, PRODUCTION, Ground, Place
from tests.e2e.stack import Stack, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEN = Principal(kind=PrincipalKind.HUMAN, subject="approver", roles=(Role.APPROVER, Role.VIEWER))


async def waiting(stack: Stack, place: Place, by: str = "requester") -> str:
    proposal_id = await stack.propose(place.resize(2), by=by)
    await stack.until(proposal_id, "awaiting_approval")
    return proposal_id


async def nothing_happened(stack: Stack, proposal_id: str, place: Place) -> None:
    shown = await stack.show(proposal_id)
    assert (shown["state"], shown["approvals_given"]) == ("awaiting_approval", 0)
    assert stack.sizes_set(place) == []


async def test_whoever_asked_may_not_decide_also_with_an_approving_role(stack: Stack) -> None:
    place = stack.place(PRODUCTION)
    stack.meet("both", await stack.issue("carol", Role.REQUESTER, Role.APPROVER))
    proposal_id = await waiting(stack, place, by="both")
    own = await stack.decide(proposal_id, by="both")
    assert (own.status_code, own.json()["reason_code"]) == (403, "not_eligible_requester")
    without_role = await stack.decide(proposal_id, by="requester")
    assert without_role.status_code == 403
    await nothing_happened(stack, proposal_id, place)
    await stack.approve(proposal_id)
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]


async def test_a_decision_on_what_is_no_longer_shown_is_refused(stack: Stack) -> None:
    place = stack.place(PRODUCTION)
    proposal_id = await waiting(stack, place)
    old_digest = await stack.decide(proposal_id, digest="sha256:" + "0" * 64)
    assert (old_digest.status_code, old_digest.json()["reason_code"]) == (409, "stale_digest")
    old_revision = await stack.decide(proposal_id, revision=2)
    assert (old_revision.status_code, old_revision.json()["reason_code"]) == (409, "stale_revision")
    await nothing_happened(stack, proposal_id, place)


async def test_a_persons_newest_vote_counts_once_and_two_people_are_two(stack: Stack) -> None:
    place = stack.place(CRITICAL)
    proposal_id = await waiting(stack, place)
    assert (await stack.decide(proposal_id)).status_code == 200
    again = await stack.decide(proposal_id)
    assert (again.status_code, again.json()["reason_code"]) == (409, "already_voted")
    for vote in ("withdraw", "approve"):
        assert (await stack.decide(proposal_id, vote)).status_code == 200
        assert (await stack.show(proposal_id))["state"] == "awaiting_approval"
    assert stack.sizes_set(place) == []
    assert (await stack.decide(proposal_id, by="approver2")).status_code == 200
    late = await stack.decide(proposal_id)
    assert (late.status_code, late.json()["reason_code"]) == (409, "already_decided")
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]


async def test_after_its_time_a_proposal_is_expired_and_nobody_decides_any_more(
    stack: Stack, hasty_configuration: str
) -> None:
    place = stack.place(PRODUCTION)
    async with stack.beside("api", SLUICE_CONFIG=hasty_configuration) as (_, url):
        stack.meet("hurried", stack.tokens["requester"], url)
        proposal_id = await waiting(stack, place, by="hurried")
        shown = await stack.until(proposal_id, "expired")
    assert shown["reason_code"] == "decide_by_passed"
    late = await stack.decide(proposal_id)
    assert (late.status_code, late.json()["reason_code"]) == (409, "decision_late")
    assert stack.sizes_set(place) == []
    assert (await stack.budget(place))[0] == 0


async def forged(stack: Stack, proposal_id: str, kind: DecisionKind, **changes: Any) -> SignedDecision:
    """A decision that is right in everything, but signed by nobody who may."""
    shown = await stack.show(proposal_id)
    thief = Ed25519PrivateKey.generate()
    fields: dict[str, Any] = {
        "id": new_id("dec"),
        "tenant": shown["tenant"],
        "proposal_id": proposal_id,
        "revision": shown["revision"],
        "kind": kind,
        "reviewer": BEN,
        "proposal_digest": shown["digest"],
        "evaluation_digest": shown["evaluation_digest"],
        "at": utc_now(),
        "key_id": key_id_of(thief.public_key()),
    }
    return sign(Decision.model_validate(fields | changes), thief)


@pytest.mark.parametrize("kind", [DecisionKind.APPROVE, DecisionKind.REJECT])
async def test_a_decision_sent_straight_to_temporal_changes_nothing_and_is_audited(
    stack: Stack, kind: DecisionKind
) -> None:
    place, worker = stack.place(PRODUCTION), stack.pid("worker")
    proposal_id = await waiting(stack, place)
    workflow = await stack.workflow(proposal_id)
    by_a_thief = await forged(stack, proposal_id, kind)
    unsigned = by_a_thief.model_copy(update={"signature": base64.b64encode(bytes(64)).decode()})
    for one in (by_a_thief, unsigned):
        with pytest.raises(WorkflowUpdateFailedError):
            await workflow.execute_update(DECIDE_UPDATE, one)
        await workflow.signal(DECIDE_SIGNAL, one)
    with pytest.raises(WorkflowUpdateFailedError):
        await workflow.execute_update(DECIDE_UPDATE, {"decision": "approve"})
    await workflow.signal(DECIDE_SIGNAL, args=[7, None])

    async def refusals() -> list[str]:
        events = await stack.audit(proposal_id)
        return [one["payload"]["reason_code"] for one in events if one["type"] == "decision.refused"]

    async def all_are_audited() -> bool:
        return len(await refusals()) >= 6

    await eventually(all_are_audited)
    assert sorted(await refusals()) == ["bad_signature"] * 4 + ["malformed_decision"] * 2
    await nothing_happened(stack, proposal_id, place)
    assert stack.pid("worker") == worker
    await stack.approve(proposal_id)
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]


async def test_a_true_signature_counts_only_for_what_was_signed(stack: Stack) -> None:
    """A decision taken from one proposal's history and sent to another proposal's workflow."""
    first, second = stack.place(PRODUCTION), stack.place(PRODUCTION)
    approved, other = await waiting(stack, first), await waiting(stack, second)
    await stack.approve(approved)
    [row] = await stack.rows("select document from decisions where proposal_id = :id", id=approved)
    signed = SignedDecision.model_validate(row.document)
    moved = signed.model_copy(update={"decision": signed.decision.model_copy(update={"proposal_id": other})})
    workflow = await stack.workflow(other)
    for one in (signed, moved):
        with pytest.raises(WorkflowUpdateFailedError):
            await workflow.execute_update(DECIDE_UPDATE, one)
    await asyncio.sleep(0.5)
    await nothing_happened(stack, other, second)


@pytest.fixture(scope="module")
def hasty_configuration(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("hasty")
    _, configuration = Ground().write(directory, decide_within="8s", execute_within="60s")
    return str(configuration)
