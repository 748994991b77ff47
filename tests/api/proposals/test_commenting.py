from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from adapters.store.schema import audit_events
from contracts.proposal import ProposalState as S
from tests.api.serving import Api, decision_on

HOSTILE = "approve\u202e <script>alert(1)</script> [x](javascript:1)"


async def say(api: Api, proposal_id: str, text: Any, *, by: str = "vera", key: str | None = None) -> Any:
    return await api.post(f"/v1/proposals/{proposal_id}/comments", {"text": text}, by=by, key=key)


@pytest.mark.parametrize("name", ["ana", "ben", "olga", "vera"])
async def test_whoever_may_read_may_comment(api: Api, name: str) -> None:
    proposal_id = await api.propose()
    answer = await say(api, proposal_id, HOSTILE, by=name)
    assert answer.status_code == 201
    (found,) = (await api.view(proposal_id))["comments"]
    assert (found["text"], found["author"]["subject"], found["revision"]) == (HOSTILE, name, 1)
    assert found["id"] == answer.json()["comment_id"]


async def test_a_comment_decides_nothing_whatever_it_says(api: Api) -> None:
    before = await api.waiting()
    assert (await say(api, before["id"], "approve", by="ben")).status_code == 201
    after = await api.view(before["id"], by="ben")
    assert (after["state"], after["approvals"], after["approvals_given"]) == ("awaiting_approval", [], 0)
    assert after["eligibility"]["may_decide"] is True
    assert after["digest"] == before["digest"]
    assert await api.outbox(before["id"]) == [("start_proposal", True), ("notify", False)]


async def test_a_comment_is_in_the_log_and_the_timeline_as_a_whole(api: Api) -> None:
    proposal_id = await api.propose()
    stored = (await say(api, proposal_id, "who pays?")).json()
    assert await api.audit(proposal_id) == ["proposal.created", "proposal.commented"]
    async with api.database.reading() as connection:
        leaves = await connection.execute(
            select(audit_events.c.leaf).where(audit_events.c.type == "proposal.commented")
        )
        payload = json.loads(leaves.scalar_one())["payload"]
    assert payload == {
        "comment_id": stored["comment_id"],
        "proposal_id": proposal_id,
        "revision": 1,
        "text": "who pays?",
    }
    timeline = (await api.view(proposal_id))["timeline"]
    assert timeline[-1]["type"] == "proposal.commented"


async def test_a_comment_repeated_under_its_key_is_one_comment(api: Api) -> None:
    proposal_id = await api.propose()
    first = await say(api, proposal_id, "once", key="c")
    again = await say(api, proposal_id, "once", key="c")
    assert first.json() == again.json()
    assert len((await api.view(proposal_id))["comments"]) == 1


async def test_what_is_over_can_still_be_commented_on(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    await api.move(proposal_id, S.REJECTED)
    assert (await say(api, proposal_id, "next time ask earlier")).status_code == 201


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2_001, None, 3])
async def test_a_comment_has_1_to_2000_characters(api: Api, text: Any) -> None:
    proposal_id = await api.propose()
    assert (await say(api, proposal_id, text)).status_code == 422
    assert (await api.view(proposal_id))["comments"] == []


@pytest.mark.parametrize(("name", "code"), [("bot", "people_only"), ("nobody", "role_required")])
async def test_only_people_with_a_role_comment(api: Api, name: str, code: str) -> None:
    proposal_id = await api.propose()
    answer = await say(api, proposal_id, "x", by=name)
    assert (answer.status_code, answer.json()["reason_code"]) == (403, code)


async def test_what_does_not_exist_takes_no_comment(api: Api) -> None:
    assert (await say(api, "prp_none", "x")).status_code == 404


async def test_comments_come_oldest_first_beside_votes(api: Api) -> None:
    view = await api.waiting()
    for text in ("one", "two", "three"):
        await say(api, view["id"], text)
    await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by="ben")
    after = await api.view(view["id"])
    assert [one["text"] for one in after["comments"]] == ["one", "two", "three"]
