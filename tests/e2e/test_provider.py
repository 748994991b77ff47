"""EXECUTION and VERIFICATION against a provider with a will of its own, judged by the provider's own log."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from emulators.gke.faults import FaultKind
from tests.e2e.practice_ground import PRODUCTION, Place
from tests.e2e.stack import CALL_TIMEOUT, Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESIZE = "SetNodePoolSize"


Begun = tuple[Place, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def begun(stack: Stack) -> dict[str, Begun]:
    """What takes long because a deadline must pass: begun before the other tests, looked at behind them."""
    slow: dict[str, Begun] = {}
    for kind, delay in (
        (FaultKind.PARTIAL, None),
        (FaultKind.TIMEOUT_AFTER_EFFECT, CALL_TIMEOUT + 2),
        (FaultKind.TIMEOUT_BEFORE_EFFECT, CALL_TIMEOUT + 2),
    ):
        place = stack.place()
        await stack.admin.add_fault(RESIZE, kind, cluster=place.name, delay=delay)
        slow[kind] = (place, await stack.propose(place.resize(3)))
    return slow


async def sizes(stack: Stack, place: Place, pool: str = "web") -> dict[str, int]:
    """Zone → nodes that run."""
    found = await stack.admin.pool(place.pool(pool))
    return {group["zone"]: group["running"] for group in found["groups"]}


async def out_of_stock(stack: Stack, place: Place, pool: str = "web") -> None:
    """Leave the second zone without a machine beyond the ones it has."""
    await stack.admin.change_pool(place.pool(pool), stock={place.zones[1]: 1})


async def test_a_plain_change_is_one_call_verified_and_paid(stack: Stack) -> None:
    place = stack.place()
    shown = await stack.until(await stack.propose(place.resize(2)), "succeeded")
    assert stack.sizes_set(place) == [2]
    assert set((await sizes(stack, place)).values()) == {2}
    assert shown["receipt"]["outcome"] == "applied"
    assert shown["receipt"]["operation"] == stack.calls(place).accepted(RESIZE)[0].operation
    assert shown["verification"]["matches"] is True
    reserved, committed = await stack.budget(place)
    assert reserved == 0
    assert committed > 0


async def test_a_target_that_is_as_desired_is_not_touched(stack: Stack) -> None:
    place = stack.place()
    shown = await stack.until(await stack.propose(place.resize(1)), "succeeded")
    assert shown["receipt"]["outcome"] == "no_op"
    assert stack.calls(place).of(RESIZE) == []
    assert await stack.budget(place) == (0, 0)


async def test_a_foreign_operation_is_waited_for(stack: Stack) -> None:
    place = stack.place(PRODUCTION)
    proposal_id = await stack.propose(place.resize(2))
    await stack.until(proposal_id, "awaiting_approval")
    foreign = await stack.admin.start_operation(place.cluster, type="UPGRADE_NODES", node_pool="auto")
    await stack.approve(proposal_id)
    await stack.until(proposal_id, "ready", "executing")
    await asyncio.sleep(2)
    assert stack.calls(place).of(RESIZE) == []
    await stack.admin.finish_operation(foreign)
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]
    assert stack.calls(place).refused(RESIZE) == []


async def test_an_operation_that_runs_when_it_is_proposed_is_waited_for_and_not_longer(stack: Stack) -> None:
    place = stack.place()
    foreign = await stack.admin.start_operation(place.cluster, type="UPGRADE_NODES", node_pool="auto")
    proposal_id = await stack.propose(place.resize(2))
    await stack.until(proposal_id, "ready", "executing")
    await asyncio.sleep(1.5)
    assert stack.calls(place).of(RESIZE) == []
    await stack.admin.finish_operation(foreign)
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]


async def test_a_foreign_operation_that_got_in_first_costs_no_second_effect(stack: Stack) -> None:
    """The provider refuses by its ErrorInfo reason: nothing was changed, and the call is made again later."""
    place = stack.place()
    await stack.admin.add_fault(RESIZE, FaultKind.CONFLICT, cluster=place.name)
    await stack.until(await stack.propose(place.resize(2)), "succeeded")
    [refused] = stack.calls(place).refused(RESIZE)
    assert refused.reason == "CLUSTER_ALREADY_HAS_OPERATION"
    assert stack.sizes_set(place) == [2]


async def test_a_resize_against_an_autoscaler_is_denied_and_new_bounds_are_not(stack: Stack) -> None:
    place = stack.place()
    shown = await stack.until(await stack.propose(place.resize(2, "auto")), "denied")
    assert shown["reason_code"] == "pool_is_autoscaled"
    assert stack.calls(place).of(RESIZE) == []
    await stack.until(await stack.propose(place.autoscaling(2, 4)), "succeeded")
    assert stack.sizes_set(place) == []
    assert len(stack.calls(place).accepted("SetNodePoolAutoscaling")) == 1
    assert min((await sizes(stack, place, "auto")).values()) >= 2


async def test_a_pool_that_somebody_else_changed_is_left_alone(stack: Stack) -> None:
    place = stack.place(PRODUCTION)
    proposal_id = await stack.propose(place.resize(3))
    await stack.until(proposal_id, "awaiting_approval")
    await stack.admin.change_pool(place.pool(), node_count=2)
    await stack.approve(proposal_id)
    shown = await stack.until(proposal_id, "stale")
    assert shown["reason_code"] == "target_changed"
    assert stack.calls(place).of(RESIZE) == []
    assert set((await sizes(stack, place)).values()) == {2}
    assert await stack.budget(place) == (0, 0)


async def test_a_stock_out_half_way_is_rolled_back_and_its_money_is_free_again(stack: Stack) -> None:
    place = stack.place()
    await out_of_stock(stack, place)
    shown = await stack.until(await stack.propose(place.resize(3)), "rolled_back")
    assert stack.sizes_set(place) == [3, 1]
    assert set((await sizes(stack, place)).values()) == {1}
    assert [one["step"] for one in shown["effects"]] == ["forward", "compensation"]
    assert shown["effects"][0]["receipt"]["outcome"] == "operation_failed"
    assert shown["effects"][1]["verification"]["matches"] is True
    assert await stack.budget(place) == (0, 0)


async def test_a_partial_result_without_an_error_is_found_and_rolled_back(
    stack: Stack, begun: dict[str, Begun]
) -> None:
    """The operation ends well and the target size is as asked: only what runs tells."""
    place, proposal_id = begun[FaultKind.PARTIAL]
    shown = await stack.until(proposal_id, "rolled_back")
    assert stack.sizes_set(place) == [3, 1]
    assert shown["receipt"]["outcome"] == "applied"
    assert shown["verification"]["reason_code"] == "nodes_not_running"
    assert await stack.budget(place) == (0, 0)


async def test_a_call_whose_answer_was_lost_is_adopted_and_not_repeated(
    stack: Stack, begun: dict[str, Begun]
) -> None:
    place, proposal_id = begun[FaultKind.TIMEOUT_AFTER_EFFECT]
    shown = await stack.until(proposal_id, "succeeded")
    assert len(stack.calls(place).of(RESIZE)) == 1
    assert stack.sizes_set(place) == [3]
    assert shown["receipt"]["adopted"] is True
    assert shown["receipt"]["operation"] == stack.calls(place).accepted(RESIZE)[0].operation


async def test_a_call_that_never_arrived_is_made_once_its_deadline_is_over(
    stack: Stack, begun: dict[str, Begun]
) -> None:
    place, proposal_id = begun[FaultKind.TIMEOUT_BEFORE_EFFECT]
    await stack.until(proposal_id, "succeeded")
    lost, made = sorted(stack.calls(place).of(RESIZE), key=lambda call: call.accepted)
    assert (lost.accepted, made.accepted) == (False, True)
    assert made.request["node_count"] == 3


async def test_uneven_zones_need_a_person_and_nobody_promises_to_undo_them(stack: Stack) -> None:
    place = stack.place()
    proposal_id = await stack.propose(place.resize(2, "uneven"))
    shown = await stack.until(proposal_id, "awaiting_approval")
    assert shown["environment"] == "development"
    assert shown["blast_radius"]["reversible"] is False
    assert stack.calls(place).of(RESIZE) == []
    await stack.approve(proposal_id)
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]
    undo = await stack.people["requester"].post(f"/v1/proposals/{proposal_id}/undo")
    assert (undo.status_code, undo.json()["reason_code"]) == (409, "not_reversible")


async def test_uneven_zones_that_went_wrong_are_dirty_and_not_made_worse(stack: Stack) -> None:
    place = stack.place()
    await out_of_stock(stack, place, "uneven")
    proposal_id = await stack.propose(place.resize(3, "uneven"))
    await stack.approve(proposal_id)
    await stack.until(proposal_id, "dirty")
    assert stack.sizes_set(place) == [3]


async def test_an_undo_is_a_proposal_of_its_own_through_all_gates(stack: Stack) -> None:
    place = stack.place(PRODUCTION)
    proposal_id = await stack.propose(place.resize(3))
    await stack.approve(proposal_id)
    await stack.until(proposal_id, "succeeded")
    answer = await stack.people["requester"].post(
        f"/v1/proposals/{proposal_id}/undo", json={"reason": "the queue is gone"}
    )
    assert answer.status_code == 202
    back = answer.json()["proposal_id"]
    shown = await stack.until(back, "awaiting_approval")
    assert (shown["undoes"], shown["after"]["node_count"]) == (proposal_id, 1)
    assert stack.sizes_set(place) == [3]
    await stack.approve(back)
    await stack.until(back, "succeeded")
    assert stack.sizes_set(place) == [3, 1]
    assert set((await sizes(stack, place)).values()) == {1}


async def test_a_dirty_target_stays_locked_until_an_operator_resolves_it(stack: Stack) -> None:
    place = stack.place()
    await out_of_stock(stack, place)
    await stack.admin.add_fault(RESIZE, FaultKind.PERMISSION, cluster=place.name, skip=1)
    dirty = await stack.propose(place.resize(3))
    shown = await stack.until(dirty, "dirty")
    assert shown["effects"][1]["receipt"]["outcome"] == "refused"
    assert stack.sizes_set(place) == [3]
    assert (await stack.budget(place))[0] > 0

    next_one = await stack.propose(place.resize(2, "uneven"))
    await stack.approve(next_one)
    assert (await stack.until(next_one, "ready"))["state"] == "ready"
    await asyncio.sleep(1)
    assert (await stack.show(next_one))["reason_code"] == "target_busy"
    assert stack.sizes_set(place) == [3]

    how: dict[str, Any] = {"outcome": "rolled_back", "reason": "set back by hand"}
    await stack.admin.change_pool(place.pool(), node_count=1)
    asked = await stack.people["approver"].post(f"/v1/proposals/{dirty}/resolve", json=how)
    assert asked.status_code == 403
    answer = await stack.people["operator"].post(f"/v1/proposals/{dirty}/resolve", json=how)
    assert (answer.status_code, answer.json()["state"]) == (200, "rolled_back")
    again = await stack.people["operator"].post(f"/v1/proposals/{dirty}/resolve", json=how)
    assert (again.status_code, again.json()["reason_code"]) == (409, "not_dirty")
    await stack.until(next_one, "succeeded")
    assert stack.sizes_set(place) == [3, 2]
    assert (await stack.budget(place))[0] == 0
    resolved = [one for one in await stack.audit(dirty) if one["type"] == "proposal.moved"][-1]
    assert resolved["actor"]["subject"] == "operator"
    assert resolved["payload"]["reason_code"] == "resolved_by_operator"


async def test_two_changes_of_one_cluster_never_overlap(stack: Stack) -> None:
    place = stack.place()
    ids = [
        await stack.propose(place.resize(2)),
        await stack.propose(place.resize(3)),
        await stack.propose(place.resize(2, "uneven")),
    ]
    await stack.approve(ids[-1])
    ends = [(await stack.until(one, "succeeded", "stale"))["state"] for one in ids]
    # Whoever comes first changes the pool; the other one was decided on for a pool that is no more.
    assert sorted(ends[:2]) in (["stale", "succeeded"], ["succeeded", "succeeded"])
    assert ends[2] == "succeeded"
    assert stack.calls(place).refused(RESIZE) == []
    effects = [one for one in [await stack.show(each) for each in ids] if one["receipt"]]
    spans = sorted(
        (datetime.fromisoformat(one["receipt"]["issued_at"]), datetime.fromisoformat(one["state_since"]))
        for one in effects
        if one["receipt"]["issued_at"]
    )
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
