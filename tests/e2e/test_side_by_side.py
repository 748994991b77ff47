"""A second worker and a second API beside the first: everything holds as with one of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.e2e.practice_ground import CRITICAL, DEVELOPMENT, PRODUCTION, Place
from tests.e2e.stack import Stack, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST, SECOND = "", " at the second API"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair(stack: Stack) -> AsyncIterator[Stack]:
    """Everybody can also be met at the second API."""
    async with stack.beside("worker"), stack.beside("api") as (_, url):
        for name, token in stack.tokens.items():
            stack.meet(name + SECOND, token, url)
        yield stack


async def waiting(stack: Stack, place: Place, by: str = "requester") -> str:
    proposal_id = await stack.propose(place.resize(2), by=by)
    await stack.until(proposal_id, "awaiting_approval")
    return proposal_id


def statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


async def test_what_one_api_took_the_other_shows_and_decides(pair: Stack) -> None:
    for asked, decided in ((FIRST, SECOND), (SECOND, FIRST)):
        place = pair.place(PRODUCTION)
        proposal_id = await waiting(pair, place, by="requester" + asked)
        assert (await pair.show(proposal_id, by="viewer" + decided))["state"] == "awaiting_approval"
        await pair.approve(proposal_id, by="approver" + decided)
        await pair.until(proposal_id, "succeeded")
        assert pair.sizes_set(place) == [2]


async def test_the_same_request_at_both_apis_at_once_is_one_proposal(pair: Stack) -> None:
    place = pair.place()
    body, headers = {"action": place.resize(2), "reason": "once"}, {"Idempotency-Key": "both-at-once"}
    answers = await asyncio.gather(
        *(
            pair.people["requester" + where].post("/v1/proposals", json=body, headers=headers)
            for where in (FIRST, SECOND) * 8
        )
    )
    assert statuses(answers) == [202] * 16
    [proposal_id] = {answer.json()["proposal_id"] for answer in answers}
    await pair.until(proposal_id, "succeeded")
    assert pair.sizes_set(place) == [2]
    stored = await pair.rows(
        "select id from proposals where draft->'action'->>'cluster' = :name", name=place.name
    )
    assert [row.id for row in stored] == [proposal_id]


async def test_one_persons_many_approvals_at_both_apis_are_one_vote(pair: Stack) -> None:
    place = pair.place(CRITICAL)
    proposal_id = await waiting(pair, place)
    answers = await asyncio.gather(
        *(pair.decide(proposal_id, by="approver" + where) for where in (FIRST, SECOND) * 5)
    )
    assert statuses(answers) in ([200] + [409] * 9, [202] + [409] * 9)
    shown = await pair.show(proposal_id)
    assert (shown["state"], shown["approvals_given"]) == ("awaiting_approval", 1)
    assert pair.sizes_set(place) == []
    await pair.approve(proposal_id, by="approver2" + SECOND)
    await pair.until(proposal_id, "succeeded")
    assert pair.sizes_set(place) == [2]


async def test_of_an_approval_and_a_rejection_at_once_one_wins(pair: Stack) -> None:
    place = pair.place(PRODUCTION)
    proposal_id = await waiting(pair, place)
    answers = await asyncio.gather(
        pair.decide(proposal_id, "approve", by="approver"),
        pair.decide(proposal_id, "reject", by="approver2" + SECOND),
    )
    assert statuses(list(answers)) in ([200, 409], [202, 409], [200, 202])
    shown = await pair.until(proposal_id, "succeeded", "rejected")
    assert pair.sizes_set(place) == ([2] if shown["state"] == "succeeded" else [])

    async def votes_are_settled() -> bool:
        return all(vote["status"] != "recorded" for vote in (await pair.show(proposal_id))["approvals"])

    await eventually(votes_are_settled)
    votes = (await pair.show(proposal_id))["approvals"]
    assert [vote["status"] for vote in votes].count("applied") == 1


async def test_two_workers_take_each_effect_once(pair: Stack) -> None:
    """Twelve proposals at once, four of them on one cluster: each effect once, never two on a cluster at a time."""
    shared, own = pair.place(), [pair.place() for _ in range(8)]
    wanted = [(place, place.resize(2)) for place in own]
    wanted += [(shared, shared.resize(count)) for count in (2, 3)]
    wanted += [(shared, shared.autoscaling(1, count)) for count in (4, 5)]
    ids = await asyncio.gather(
        *(
            pair.propose(action, by="requester" + (FIRST, SECOND)[number % 2])
            for number, (_, action) in enumerate(wanted)
        )
    )
    for proposal_id in ids:
        await pair.until(proposal_id, "succeeded", "stale")
    assert [pair.sizes_set(place) for place in own] == [[2]] * 8
    assert len(pair.sizes_set(shared)) in (1, 2)
    assert pair.calls(shared).refused("SetNodePoolSize") == []


async def test_either_worker_may_die_and_the_other_goes_on(pair: Stack) -> None:
    places = [pair.place(DEVELOPMENT) for _ in range(3)]
    ids = [await pair.propose(place.resize(2)) for place in places]
    await pair.kill("worker")
    for proposal_id in ids:
        await pair.until(proposal_id, "succeeded")
    assert [pair.sizes_set(place) for place in places] == [[2]] * 3
    await pair.back("worker")
