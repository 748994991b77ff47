"""The intent transaction: the last place where an effect can be stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from activities.execution.admission import Admission
from activities.execution.attempt import Granted
from adapters.store import leases, proposals
from adapters.store.database import database_now
from adapters.store.schema import proposals as proposals_table
from contracts.base import utc_now
from contracts.effect import EffectResult, ReceiptOutcome, Step
from contracts.errors import NotFound, StaleFence
from contracts.messages import EffectOutcome
from contracts.principal import SYSTEM
from contracts.safety import BreakerState
from emulators.gke.faults import FaultKind
from tests.activities.execution.admitting import S, age_pass, work_of
from tests.activities.execution.test_crashes import DyingEffector, PausedReader, WorkerDied
from tests.adapters.store.test_breakers import breaker, probe, record
from tests.contracts.samples import ANA
from tests.proposal_stack import CONFIGURATION, MODE, PUBLIC_KEYS, EffectStack, resize


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


async def test_a_pass_over_an_older_revision_admits_nothing(stack: EffectStack) -> None:
    work = await work_of(stack, await stack.ready(resize(3)))
    edited = work.proposal.model_copy(update={"revision": 2})
    async with stack.database.transaction() as connection:
        await connection.execute(update(proposals_table).values(revision=2))
    with pytest.raises(NotFound):
        await Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings).forward(
            replace(work, proposal=edited)
        )
    assert await stack.intent(edited.id) is None


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
    stack.timings = replace(stack.timings, call_margin=timedelta(seconds=60))
    now = utc_now()
    proposal_id = await stack.ready(resize(3), decide_by=now, execute_by=now + timedelta(seconds=4))
    stack.reader = paused = PausedReader(stack.reader)
    late = asyncio.create_task(stack.execute(proposal_id))
    await paused.hangs.wait()
    await asyncio.sleep((now - utc_now()).total_seconds() + 4.1)
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


async def test_what_was_left_to_a_person_since_an_attempt_looked_is_not_taken_back(
    stack: EffectStack,
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    work = await work_of(stack, proposal_id, Step.COMPENSATION)
    async with stack.database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        await proposals.move(connection, row, S.DIRTY, actor=SYSTEM, reason_code="lateness_unknown")
    outcome = await Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings).compensation(work)
    assert isinstance(outcome, EffectOutcome)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.DIRTY)
    assert await stack.intent(proposal_id, "compensation") is None


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


async def test_a_new_pass_gives_the_probe_of_the_old_one_to_whoever_comes_first(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    for _ in range(3):
        await record(stack.database, ok=False)
    await probe(stack.database, proposal_id)
    await age_pass(stack, timedelta(seconds=31))
    assert (await stack.execute(proposal_id)).result is EffectResult.NEEDS_NEW_PASS
    found = await breaker(stack.database)
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)


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


async def test_a_closed_proposal_stays_closed(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    async with stack.database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        await proposals.move(connection, row, S.CANCELLED, actor=ANA, reason_code="cancelled")
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.CANCELLED)
    assert stack.sizes_set() == []


async def test_what_was_closed_since_an_attempt_looked_is_not_executed(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    work = await work_of(stack, proposal_id)
    async with stack.database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        await proposals.move(connection, row, S.CANCELLED, actor=ANA, reason_code="cancelled")
    outcome = await Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings).forward(work)
    assert isinstance(outcome, EffectOutcome)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.CANCELLED)
    assert (await stack.row(proposal_id)).state == S.CANCELLED


async def test_a_call_that_may_still_be_in_flight_is_waited_for(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    work = await work_of(stack, proposal_id)
    async with stack.database.transaction() as connection:
        deadline = await database_now(connection) + leases.LONGEST_CALL
        await leases.raise_fence(connection, work.domain, proposal_id, deadline)
    granted = await Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings).forward(work)
    assert isinstance(granted, Granted)
    assert granted.wait > timedelta(minutes=1).total_seconds()


async def test_the_intent_holds_the_fence_and_the_state_to_return_to(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    document = (await stack.intent(proposal_id)).document
    assert document["fence"] == 1
    assert document["prior"]["zones"][0]["target_size"] == 2
