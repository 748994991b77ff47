"""The intent transaction: the last place where an effect can be stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, insert, select, text, update

from activities.execution.admission import Admission
from activities.execution.attempt import Work
from adapters.store import break_glass, decisions, halts, leases, proposals
from adapters.store.database import database_now
from adapters.store.schema import break_glass_uses, evaluations, outbox
from adapters.store.schema import decisions as decisions_table
from contracts.base import utc_now
from contracts.break_glass import BreakGlass, BreakGlassStatus, BreakGlassUse
from contracts.configuration import BypassableGate
from contracts.decision import DecisionKind
from contracts.effect import EffectResult, ReceiptOutcome, Step, idempotency_key
from contracts.errors import StaleFence
from contracts.messages import DecisionInput, EffectOutcome, PassInput
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Proposal, ProposalState
from contracts.safety import Halt, HaltScope
from emulators.gke.faults import FaultKind
from tests.activities.execution.test_crashes import DyingEffector, PausedReader, WorkerDied
from tests.contracts.samples import ANA, BEN
from tests.proposal_stack import CONFIGURATION, MODE, PUBLIC_KEYS, EffectStack, resize

S = ProposalState
OPERATOR = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))


async def halt(stack: EffectStack) -> Halt:
    async with stack.database.transaction() as connection:
        return await halts.create(
            connection, HaltScope(environment="production"), "stop", actor=OPERATOR, tenant="default"
        )


async def approved(stack: EffectStack) -> str:
    """A proposal that Ben approved and a pass admitted."""
    stack.guard.quorums = [1]
    draft = await stack.create(resize(3))
    await stack.guard.check_proposal(PassInput(proposal_id=draft.id, revision=1, pass_number=1))
    signed = await stack.signed(draft.id, BEN)
    await stack.record(signed)
    await stack.approval.record_decision(DecisionInput(signed=signed))
    await stack.admit(draft.id, 2)
    return draft.id


async def change_vote(stack: EffectStack, proposal_id: str, document: dict[str, Any]) -> None:
    async with stack.database.transaction() as connection:
        await connection.execute(
            update(decisions_table)
            .where(decisions_table.c.proposal_id == proposal_id)
            .values(document=document)
        )


async def work_of(stack: EffectStack, proposal_id: str, step: Step = Step.FORWARD) -> Work:
    """What an attempt works with that has read the proposal just now."""
    proposal = Proposal.model_validate((await stack.row(proposal_id)).document)
    return Work(
        proposal=proposal,
        step=step,
        key=idempotency_key(proposal_id, 1, step),
        action=proposal.action if step is Step.FORWARD else resize(2),
        pass_number=2,
    )


async def age_pass(stack: EffectStack, age: timedelta) -> None:
    async with stack.database.transaction() as connection:
        await connection.execute(
            update(evaluations)
            .where(evaluations.c.pass_number == 2)
            .values(created_at=func.clock_timestamp() - age)
        )


async def broken(stack: EffectStack) -> BreakGlass:
    """A grant that two people opened and confirmed."""
    async with stack.database.transaction() as connection:
        now = await database_now(connection)
        grant = BreakGlass(
            id="brk_1",
            scope=HaltScope(everything=True),
            gates=tuple(BypassableGate),
            reason="down",
            minutes=30,
            status=BreakGlassStatus.AWAITING_SECOND,
            opened_by=OPERATOR,
            opened_at=now,
            confirm_by=now + timedelta(minutes=15),
        )
        await break_glass.create(connection, grant, tenant="default")
        active = await break_glass.confirm(connection, grant, BEN, tenant="default")
    assert active.counts_at(now)
    return active


async def lets_through(stack: EffectStack, grant: BreakGlass, proposal_id: str) -> None:
    """Note that the pass went by this grant."""
    use = BreakGlassUse(
        grant_id=grant.id,
        proposal_id=proposal_id,
        revision=1,
        pass_number=2,
        gates=(BypassableGate.RATE,),
        at=grant.opened_at,
    )
    async with stack.database.transaction() as connection:
        await connection.execute(
            insert(break_glass_uses).values(
                **use.model_dump(exclude={"gates"}), document=use.model_dump(mode="json")
            )
        )


async def test_a_grant_that_is_over_lets_nothing_through_that_a_pass_let_through_by_it(
    stack: EffectStack,
) -> None:
    proposal_id = await stack.ready(resize(3))
    grant = await broken(stack)
    await lets_through(stack, grant, proposal_id)
    async with stack.database.transaction() as connection:
        await break_glass.end(connection, grant, BEN, tenant="default")
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "break_glass_over")
    assert stack.sizes_set() == []


async def test_a_grant_that_counts_and_one_that_another_pass_went_by_stop_nothing(stack: EffectStack) -> None:
    proposal_id, other = await stack.ready(resize(3)), await stack.create(resize(2))
    grant = await broken(stack)
    await lets_through(stack, grant, proposal_id)
    over = grant.model_copy(update={"id": "brk_2"})
    async with stack.database.transaction() as connection:
        await break_glass.create(connection, over, tenant="default")
        await break_glass.end(connection, over, BEN, tenant="default")
    await lets_through(stack, over, other.id)
    assert (await stack.execute(proposal_id)).state is S.VERIFYING


async def test_a_halt_stops_an_effect_whatever_break_glass_says(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await broken(stack)
    await halt(stack)
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "halted")
    assert stack.sizes_set() == []


async def test_a_halt_between_pass_and_effect_stops_it(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    assert (await halt(stack)).status == "effective"
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "halted")
    assert stack.sizes_set() == []
    assert await stack.lease_owner() is None


async def _until_it_waits_or_acts(stack: EffectStack, before: object) -> None:
    """However busy the machine is: the attempt stands at the lock that the halt holds, or has gone past it."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(60):
        while stack.sizes_set() == before:
            async with stack.database.reading() as connection:
                if (await connection.execute(waiting)).scalar_one():
                    return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("step", list(Step))
async def test_an_intent_waits_for_a_halt_that_is_being_written(stack: EffectStack, step: Step) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    if step is Step.COMPENSATION:
        await stack.execute(proposal_id)
    before = stack.sizes_set()
    async with stack.database.transaction() as connection:
        stop = await halts.create(
            connection, HaltScope(environment="production"), "stop", actor=OPERATOR, tenant="default"
        )
        assert stop.status == "effective"
        attempt = asyncio.create_task(stack.execute(proposal_id, step))
        await _until_it_waits_or_acts(stack, before)
    await asyncio.sleep(0.5)
    assert stack.sizes_set() == before
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)


async def test_a_halt_drains_only_as_long_as_a_call_may_be_in_flight(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.SLOW, delay=0.5)
    await stack.fleet.admin.settings(operation=2.0)
    proposal_id = await stack.ready(resize(3))
    attempt = asyncio.create_task(stack.execute(proposal_id))
    await asyncio.sleep(0.3)
    assert (await halt(stack)).status == "draining"
    await asyncio.sleep(0.7)
    async with stack.database.transaction() as connection:
        assert len(await halts.settle(connection)) == 1
    assert (await attempt).state is S.VERIFYING


async def test_a_halt_holds_the_way_back_and_pages_once(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    stop = await halt(stack)
    undoing = asyncio.create_task(stack.execute(proposal_id, Step.COMPENSATION))
    await asyncio.sleep(0.5)
    assert not undoing.done()
    assert stack.sizes_set() == [3]
    async with stack.database.reading() as connection:
        told = (await connection.execute(select(outbox.c.payload).where(outbox.c.kind == "notify"))).scalars()
        assert [one["reason_code"] for one in told] == ["compensation_halted"]
    async with stack.database.transaction() as connection:
        await halts.end(connection, stop.id, actor=OPERATOR)
    assert (await undoing).state is S.ROLLING_BACK
    assert stack.sizes_set() == [3, 2]


async def test_a_pass_older_than_thirty_seconds_admits_nothing(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await age_pass(stack, timedelta(seconds=31))
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "pass_too_old")
    assert stack.sizes_set() == []


async def test_a_pass_of_a_moment_to_come_admits_nothing_when_the_clock_has_gone_back(
    stack: EffectStack,
) -> None:
    proposal_id = await stack.ready(resize(3))
    await age_pass(stack, -timedelta(hours=1))
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "pass_too_old")
    assert stack.sizes_set() == []


async def test_a_pass_that_was_never_run_or_did_not_admit_admits_nothing(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    assert (await stack.execute(proposal_id, pass_number=7)).reason_code == "pass_superseded"
    assert (await stack.execute(proposal_id, pass_number=1)).reason_code == "pass_superseded"
    stack.guard.holds = 1
    await stack.admit(proposal_id, 3)
    assert (await stack.execute(proposal_id, pass_number=3)).reason_code == "pass_not_admitted"
    assert stack.sizes_set() == []


async def test_a_revision_that_was_edited_meanwhile_is_not_executed(stack: EffectStack) -> None:
    work = await work_of(stack, await stack.ready(resize(3)))
    other = work.proposal.model_copy(update={"revision": 2, "execute_by": utc_now()})
    admission = Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings)
    outcome = await admission.forward(replace(work, proposal=other))
    assert isinstance(outcome, EffectOutcome)
    assert (outcome.result, outcome.state) == (EffectResult.NEEDS_NEW_PASS, S.READY)
    assert await stack.intent(other.id) is None


async def test_after_execute_by_nothing_starts(stack: EffectStack) -> None:
    now = utc_now()
    proposal_id = await stack.ready(resize(3), decide_by=now, execute_by=now + timedelta(seconds=0.4))
    await asyncio.sleep(0.5)
    outcome = await stack.execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.EXPIRED, "execute_by_passed")
    assert await stack.lease_owner() is None
    assert stack.sizes_set() == []


async def test_an_attempt_that_was_admitted_in_time_does_not_call_after_execute_by(
    stack: EffectStack,
) -> None:
    now = utc_now()
    proposal_id = await stack.ready(resize(3), decide_by=now, execute_by=now + timedelta(seconds=1.2))
    stack.reader = paused = PausedReader(stack.reader)
    late = asyncio.create_task(stack.execute(proposal_id))
    await asyncio.sleep(1.3)
    assert (await stack.row(proposal_id)).state == S.EXECUTING
    paused.go_on.set()
    assert (await late).state is S.READY
    assert stack.sizes_set() == []


@pytest.mark.parametrize("why", ["nothing", "pass_too_old", "execute_by_passed"])
async def test_an_attempt_that_comes_late_to_its_admission_touches_nothing_under_another_one(
    stack: EffectStack, why: str
) -> None:
    """Both looked before either was admitted; one of them is calling, and what it holds must stay."""
    proposal_id = await stack.ready(resize(3))
    stack.effector = DyingEffector(stack.effector, after=True)
    with pytest.raises(WorkerDied):
        await stack.execute(proposal_id)
    if why == "pass_too_old":
        await age_pass(stack, timedelta(seconds=31))
    work = await work_of(stack, proposal_id)
    if why == "execute_by_passed":
        work = replace(work, proposal=work.proposal.model_copy(update={"execute_by": utc_now()}))
    with pytest.raises(StaleFence):
        await Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings).forward(work)
    assert (await stack.row(proposal_id)).state == S.EXECUTING
    assert await stack.lease_owner() == proposal_id
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    receipt = await stack.receipt(proposal_id)
    assert (receipt.outcome, receipt.adopted) == (ReceiptOutcome.APPLIED, True)
    assert stack.sizes_set() == [3]


async def test_a_late_attempt_at_the_way_back_touches_nothing_under_another_one(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    stack.effector = DyingEffector(stack.effector, after=True)
    with pytest.raises(WorkerDied):
        await stack.execute(proposal_id, Step.COMPENSATION)
    work = await work_of(stack, proposal_id, Step.COMPENSATION)
    with pytest.raises(StaleFence):
        await Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings).compensation(work)
    await stack.execute(proposal_id, Step.COMPENSATION)
    assert (await stack.receipt(proposal_id, "compensation")).adopted
    assert stack.sizes_set() == [3, 2]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mode": "google"}, "mode_mismatch"),
        ({"configuration": CONFIGURATION.model_copy(update={"targets": ()})}, "target_not_registered"),
    ],
)
async def test_a_worker_that_reaches_something_else_takes_nothing_back_and_calls_a_person(
    stack: EffectStack, change: dict[str, Any], code: str
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    assert (await stack.execute(proposal_id)).state is S.ROLLING_BACK
    outcome = await replace(stack, **change).execute(proposal_id, Step.COMPENSATION)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, code)
    assert stack.sizes_set() == [3]
    assert await stack.lease_owner() == proposal_id


async def test_a_worker_of_another_mode_does_not_follow_up_what_was_begun(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    stack.effector = DyingEffector(stack.effector, after=True)
    with pytest.raises(WorkerDied):
        await stack.execute(proposal_id)
    outcome = await replace(stack, mode="google").execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "mode_mismatch")
    assert stack.sizes_set() == [3]


async def test_a_lost_lease_needs_a_new_pass(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    async with stack.database.transaction() as connection:
        await leases.release(connection, resize().target.serialisation_domain, proposal_id)
    assert (await stack.execute(proposal_id)).reason_code == "lease_lost"
    assert stack.sizes_set() == []


@pytest.mark.parametrize(
    ("changes", "code"), [({"mode": "google"}, "mode_mismatch"), ({"dry_run": True}, "dry_run")]
)
async def test_what_was_not_proposed_for_this_provider_is_denied(
    stack: EffectStack, changes: dict[str, Any], code: str
) -> None:
    proposal_id = await stack.ready(resize(3), **changes)
    outcome = await stack.execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DENIED, code)
    assert stack.sizes_set() == []


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
            kept = await decisions.approvals(connection, proposal_id, 1)
        assert kept == (signed,)
    assert (await stack.execute(proposal_id)).reason_code == "approvals_invalid"


@pytest.mark.parametrize("kind", [DecisionKind.WITHDRAW, DecisionKind.REQUEST_CHANGE, DecisionKind.REJECT])
async def test_a_vote_that_is_no_approval_does_not(stack: EffectStack, kind: DecisionKind) -> None:
    proposal_id = await approved(stack)
    newest = await stack.signed(proposal_id, BEN, kind)
    await change_vote(stack, proposal_id, newest.model_dump(mode="json"))
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


async def test_a_closed_proposal_stays_closed(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    async with stack.database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        await proposals.move(connection, row, S.CANCELLED, actor=ANA, reason_code="cancelled")
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.CANCELLED)
    assert stack.sizes_set() == []


async def test_the_intent_holds_the_fence_and_the_state_to_return_to(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    document = (await stack.intent(proposal_id)).document
    assert document["fence"] == 1
    assert document["prior"]["zones"][0]["target_size"] == 2
