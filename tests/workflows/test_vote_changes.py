"""Votes that change and proposals that are edited, in a workflow on a real Temporal server and PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from adapters.audit.replay import replay
from adapters.store.schema import decisions as decisions_table
from contracts.audit import AuditEvent
from contracts.decision import DecisionKind
from contracts.messages import DECIDE_SIGNAL, WAKE_SIGNAL, DecisionInput
from contracts.proposal import Draft, ProposalState
from tests.contracts.samples import BEN
from tests.editing import edit
from tests.proposal_stack import CAROL, ProposalStack, eventually

S = ProposalState
DAN = CAROL.model_copy(update={"subject": "dan"})


def id_of(handle: Any) -> str:
    return str(handle.id.removeprefix("proposal/"))


async def waiting(stack: ProposalStack, quorum: int) -> Any:
    stack.guard.quorums = [quorum]
    handle = await stack.propose()
    await stack.until(id_of(handle), S.AWAITING_APPROVAL)
    return handle


async def statuses(stack: ProposalStack, proposal_id: str) -> list[tuple[str, str, str]]:
    async with stack.database.reading() as connection:
        wanted = select(decisions_table).where(decisions_table.c.proposal_id == proposal_id)
        rows = (await connection.execute(wanted.order_by(decisions_table.c.created_at))).all()
    return [(row.reviewer.partition("/")[2], row.kind, row.status) for row in rows]


async def details(handle: Any) -> str:
    """What the Temporal UI shows of a workflow."""
    metadata = await handle.query("__temporal_workflow_metadata")
    return str(metadata.current_details)


async def code_of(decision: Any) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await decision
    cause = refused.value.cause
    assert isinstance(cause, ApplicationError)
    return cause.type


async def test_the_newest_vote_of_a_person_counts_until_it_is_decided(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 2)
        name = id_of(handle)
        assert (await stack.decide(name, BEN)).approvals == 1
        assert (await stack.decide(name, BEN, DecisionKind.WITHDRAW)).approvals == 0
        assert await code_of(stack.decide(name, BEN, DecisionKind.WITHDRAW)) == "already_voted"
        assert (await stack.decide(name, CAROL)).approvals == 1
        assert (await stack.decide(name, BEN)).state == "ready"
        assert (await handle.result()).state is S.SUCCEEDED
    stored = await statuses(stack, name)
    assert [one for one in stored if one[2] == "applied"] == [
        ("carol", "approve", "applied"),
        ("ben", "approve", "applied"),
    ]
    events = [AuditEvent.model_validate(one) for one in await stack.audit(name)]
    rebuilt = replay(events)
    assert sorted(vote.status for vote in rebuilt.votes.values()) == sorted(one[2] for one in stored)


async def test_whoever_approved_can_still_reject(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 2)
        await stack.decide(id_of(handle), BEN)
        assert (await stack.decide(id_of(handle), BEN, DecisionKind.REJECT)).state == "rejected"
        assert (await handle.result()).state is S.REJECTED
    assert stack.sizes_set() == []


async def test_an_older_decision_that_arrives_after_a_newer_one_counts_for_nothing(
    stack: ProposalStack,
) -> None:
    async with stack.working():
        handle = await waiting(stack, 1)
        name = id_of(handle)
        older = await stack.signed(name, BEN)
        await stack.record(older)
        newer = await stack.signed(name, BEN, DecisionKind.REQUEST_CHANGE)
        await stack.record(newer)
        assert await code_of(stack.send(older)) == "superseded"
        assert (await stack.send(newer)).state == "awaiting_approval"
        await handle.terminate()
    assert await statuses(stack, name) == [
        ("ben", "approve", "superseded"),
        ("ben", "request_change", "applied"),
    ]


async def applied_unheard(stack: ProposalStack, proposal_id: str, kind: DecisionKind) -> None:
    """Ben's decision is committed, and the workflow never hears of it: Temporal died with the Update."""
    signed = await stack.signed(proposal_id, BEN, kind)
    await stack.record(signed)
    await stack.approval.record_decision(DecisionInput(signed=signed))


async def test_a_vote_of_which_the_workflow_never_heard_can_be_withdrawn(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 2)
        name = id_of(handle)
        await applied_unheard(stack, name, DecisionKind.APPROVE)
        assert (await stack.decide(name, BEN, DecisionKind.WITHDRAW)).approvals == 0
        assert (await stack.decide(name, CAROL)).state == "awaiting_approval"
        await handle.terminate()


async def test_whoever_asked_for_a_change_unheard_can_approve_again(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 2)
        name = id_of(handle)
        assert (await stack.decide(name, BEN)).approvals == 1
        await applied_unheard(stack, name, DecisionKind.REQUEST_CHANGE)
        assert (await stack.decide(name, BEN)).approvals == 1
        assert (await stack.decide(name, CAROL)).state == "ready"
        assert (await handle.result()).state is S.SUCCEEDED


async def test_a_vote_changes_by_signal_too(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 2)
        name = id_of(handle)
        await stack.decide(name, BEN)
        withdrawn = await stack.signed(name, BEN, DecisionKind.WITHDRAW)
        await stack.record(withdrawn)
        await handle.signal(DECIDE_SIGNAL, withdrawn)

        async def applied() -> bool:
            return ("ben", "withdraw", "applied") in await statuses(stack, name)

        await eventually(applied)
        await handle.terminate()


async def test_an_edit_voids_the_votes_and_the_new_revision_is_what_runs(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 1)
        name = id_of(handle)
        stack.guard.quorums = [2]
        old = await stack.signed(name, CAROL)
        await stack.record(old)
        made = await edit(stack.database, name, DAN, node_count=4)
        assert isinstance(made, Draft)
        await handle.signal(WAKE_SIGNAL)
        row = await stack.until(name, S.AWAITING_APPROVAL)
        assert (row.revision, row.decide_by) == (2, made.decide_by)
        assert await code_of(stack.send(old)) in ("stale_revision", "stale_digest")
        assert await code_of(stack.decide(name, DAN)) == "not_eligible_author"
        assert (await stack.decide(name, BEN)).approvals == 1
        await stack.decide(name, CAROL)
        closed = await handle.result()
    assert (closed.state, closed.revision) == (S.SUCCEEDED, 2)
    assert stack.sizes_set() == [4]


async def test_the_temporal_ui_tells_what_the_edited_revision_asks_for(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 1)
        name = id_of(handle)
        assert "to 3 per zone, revision 1" in await details(handle)
        assert isinstance(await edit(stack.database, name, DAN, node_count=4), Draft)
        await handle.signal(WAKE_SIGNAL)
        await stack.until(name, S.AWAITING_APPROVAL)
        await stack.decide(name, BEN)
        await handle.result()
        told = await details(handle)
    assert "to 4 per zone, revision 2" in told
    assert "to 3 per zone" not in told
    summaries = [one.user_metadata.summary.data.decode() async for one in handle.fetch_history_events()]
    assert [one for one in summaries if "resize" in one] == ['"resize acme-prod/serving/web to 4 per zone"']


async def test_an_edit_is_checked_although_no_worker_lived_when_it_came(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await waiting(stack, 1)
    name = id_of(handle)
    assert isinstance(await edit(stack.database, name, DAN, node_count=4), Draft)
    await handle.signal(WAKE_SIGNAL)
    async with stack.working():
        row = await stack.until(name, S.AWAITING_APPROVAL)
        assert row.revision == 2
        await stack.decide(name, BEN)
        assert (await handle.result()).state is S.SUCCEEDED
    assert stack.sizes_set() == [4]


async def test_a_decision_that_races_an_edit_approves_what_was_seen_or_nothing(stack: ProposalStack) -> None:
    async with stack.working():
        seen = set()
        for _ in range(6):
            handle = await waiting(stack, 1)
            name = id_of(handle)
            signed = await stack.signed(name, BEN)
            await stack.record(signed)
            edited, decided = await asyncio.gather(
                edit(stack.database, name, DAN, node_count=5), stack.send(signed), return_exceptions=True
            )
            if isinstance(edited, str):
                assert edited == "not_awaiting_approval"
                assert not isinstance(decided, BaseException)
                await handle.result()
            else:
                assert isinstance(decided, WorkflowUpdateFailedError)
                assert isinstance(decided.cause, ApplicationError)
                assert decided.cause.type in ("stale_revision", "stale_digest", "proposal_closed")
                await handle.terminate()
            seen.add(isinstance(edited, str))
            row = await stack.row(name)
            assert row.revision == (1 if isinstance(edited, str) else 2)
    assert 5 not in stack.sizes_set()
