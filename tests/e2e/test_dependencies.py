"""GUARDRAILS and limits of time when something they need is not there: no answer is never an allow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from emulators.gke.faults import FaultKind
from tests.e2e.practice_ground import PRODUCTION, Ground
from tests.e2e.stack import Stack, eventually
from tests.gke_fixtures import FAST

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESIZE = "SetNodePoolSize"


async def test_without_opa_nothing_is_allowed_and_with_it_again_everything_goes_on(stack: Stack) -> None:
    place = stack.place()
    with stack.frozen("opa"):
        shown = await stack.until(await stack.propose(place.resize(2)), "denied")
    assert shown["reason_code"] == "policy_unavailable"
    assert {"policy"} == {one["guardrail"] for one in shown["verdicts"] if one["outcome"] == "deny"}
    assert stack.calls(place).of(RESIZE) == []
    await stack.until(await stack.propose(place.resize(2)), "succeeded")


async def test_opa_lost_between_approval_and_effect_denies_too(stack: Stack) -> None:
    place = stack.place(PRODUCTION)
    proposal_id = await stack.propose(place.resize(2))
    await stack.until(proposal_id, "awaiting_approval")
    with stack.frozen("opa"):
        await stack.approve(proposal_id)
        shown = await stack.until(proposal_id, "denied")
    assert shown["reason_code"] == "policy_unavailable"
    assert stack.calls(place).of(RESIZE) == []
    assert await stack.budget(place) == (0, 0)


async def test_what_nobody_knows_the_price_of_is_denied(stack: Stack) -> None:
    place = stack.place()
    shown = await stack.until(await stack.propose(place.resize(2, "unpriced")), "denied")
    assert shown["reason_code"] == "price_unknown"
    assert stack.calls(place).of(RESIZE) == []


@asynccontextmanager
async def halted(stack: Stack, **scope: Any) -> AsyncIterator[dict[str, Any]]:
    """A halt, as it was answered; ended at the end if the test did not."""
    operator = stack.people["operator"]
    answer = await operator.post("/v1/halts", json={"scope": scope, "reason": "look first"})
    assert answer.status_code == 200, answer.text
    try:
        yield answer.json()
    finally:
        await operator.delete(f"/v1/halts/{answer.json()['id']}")


async def test_an_approved_change_that_could_not_start_in_time_never_starts(
    stack: Stack, hasty_configuration: str
) -> None:
    place = stack.place(PRODUCTION)
    async with stack.beside("api", SLUICE_CONFIG=hasty_configuration) as (_, url):
        stack.meet("hasty", stack.tokens["requester"], url)
        proposal_id = await stack.propose(place.resize(2), by="hasty")
    shown = await stack.until(proposal_id, "awaiting_approval")
    async with halted(stack, target=shown["target"]):
        await stack.approve(proposal_id)
        assert (await stack.until(proposal_id, "ready"))["state"] == "ready"
        shown = await stack.until(proposal_id, "expired")
    assert shown["reason_code"] == "execute_by_passed"
    await asyncio.sleep(1)
    assert stack.calls(place).of(RESIZE) == []
    assert await stack.budget(place) == (0, 0)


@pytest.fixture(scope="module")
def hasty_configuration(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("hasty")
    _, configuration = Ground().write(directory, decide_within="12s", execute_within="5s")
    return str(configuration)


@pytest.mark.parametrize("locked", ["evaluations", "intents"])
async def test_a_locked_database_means_no_effect_and_a_final_state_once_it_answers(
    stack: Stack, locked: str
) -> None:
    """Locked longer than any statement of ours waits for a lock (5 s)."""
    place = stack.place(PRODUCTION)
    proposal_id = await stack.propose(place.resize(2))
    await stack.until(proposal_id, "awaiting_approval")
    ballot = await stack.ballot(proposal_id)
    async with stack.database() as database, database.transaction() as connection:
        await connection.execute(text(f"lock table {locked} in access exclusive mode"))
        decided = asyncio.create_task(stack.vote(proposal_id, ballot))
        await asyncio.sleep(6.5)
        assert stack.calls(place).of(RESIZE) == []
    answer = await decided
    if locked == "evaluations":
        assert (answer.status_code, answer.json()["reason_code"]) == (503, "store_unavailable")
        await stack.approve(proposal_id)
    else:
        assert answer.status_code in (200, 202), answer.text
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]


async def test_a_halt_drains_then_holds_everything_it_covers_until_it_ends(stack: Stack) -> None:
    first, second, outside = stack.place(PRODUCTION), stack.place(PRODUCTION), stack.place()
    await stack.admin.add_fault(RESIZE, FaultKind.SLOW, cluster=first.name, delay=1.5)
    await stack.admin.settings(operation=4.0)
    runs, waits = await stack.propose(first.resize(2)), await stack.propose(second.resize(2))
    await stack.until(waits, "awaiting_approval")
    await stack.approve(runs)
    await stack.until(runs, "executing")
    async with halted(stack, environment="production") as halt:
        assert halt["status"] == "draining"
        await stack.approve(waits)
        denied = await stack.until(await stack.propose(stack.place(PRODUCTION).resize(2)), "denied")
        assert denied["reason_code"] == "halted"

        async def effective() -> Any:
            listed = (await stack.people["viewer"].get("/v1/halts")).json()["items"]
            return [one for one in listed if one["id"] == halt["id"] and one["status"] == "effective"]

        [now_effective] = await eventually(effective)
        assert (await stack.show(runs))["state"] == "executing"
        await stack.admin.settings(operation=FAST["operation"])
        # What began before is brought to its end, and what is not covered goes on.
        await stack.until(runs, "succeeded")
        await stack.until(await stack.propose(outside.resize(2)), "succeeded")
        held = await stack.show(waits)
        assert (held["state"], held["reason_code"]) == ("ready", "halted")
        assert stack.calls(second).of(RESIZE) == []
    await stack.until(waits, "succeeded")
    assert (stack.sizes_set(first), stack.sizes_set(second)) == ([2], [2])
    since = datetime.fromisoformat(now_effective["effective_at"])
    before, after = (stack.calls(place).accepted(RESIZE)[0] for place in (first, second))
    assert before.ts < since < after.ts
