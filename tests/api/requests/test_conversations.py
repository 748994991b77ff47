from __future__ import annotations

import asyncio
from typing import Any

import pytest

from activities.request.drafts import draft_of
from adapters.store import proposals, requests
from contracts.action import ResizeNodePool
from contracts.base import utc_now
from contracts.proposal import Planner, PlannerKind
from contracts.request import MAX_TURN_TEXT, ProposedAction, Request, RequestStatus
from tests.api.serving import CONFIGURATION, RESIZE, Api


async def ask(api: Api, text: str, conversation_id: str | None = None, *, by: str = "ana") -> dict[str, Any]:
    continued = {"conversation_id": conversation_id} if conversation_id else {}
    answer = await api.post("/v1/requests", {"text": text} | continued, by=by)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


async def close(api: Api, request_id: str, answer: str = "Done.", *, proposing: bool = False) -> None:
    """Do what the worker does at the end of a turn."""
    async with api.database.transaction() as connection:
        status = RequestStatus.PROPOSED if proposing else RequestStatus.ANSWERED
        await requests.close(connection, request_id, status, answer, None)
        if proposing:
            row = await requests.lock(connection, request_id)
            draft = draft_of(
                Request.model_validate(row.document),
                0,
                ProposedAction(action=ResizeNodePool.model_validate(RESIZE), rationale="r", confidence=1),
                Planner(kind=PlannerKind.RULES),
                configuration=CONFIGURATION,
                mode="practice",
                now=utc_now(),
            )
            await proposals.create(connection, draft)


async def stored(api: Api, request_id: str) -> Request:
    async with api.database.reading() as connection:
        row = await requests.find(connection, api.parts.tenant, request_id)
    assert row is not None
    return Request.model_validate(row.document)


async def test_a_first_turn_opens_a_conversation_and_the_next_one_is_shown_it(api: Api) -> None:
    first = await ask(api, "scale inference to 4")
    await close(api, first["request_id"], "x" * 1_500, proposing=True)
    second = await ask(api, "and make it 5", first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    [turn] = (await stored(api, second["request_id"])).earlier
    assert turn.text == "scale inference to 4"
    assert turn.answer == "x" * MAX_TURN_TEXT
    assert turn.proposals == ("resize acme-prod/serving/inference to 4 per zone",)


async def test_a_planner_is_shown_the_newest_turns_only_oldest_first(api: Api) -> None:
    conversation_id = None
    for number in range(10):
        accepted = await ask(api, f"turn {number}", conversation_id)
        conversation_id = accepted["conversation_id"]
        await close(api, accepted["request_id"])
    last = await ask(api, "now", conversation_id)
    assert [turn.text for turn in (await stored(api, last["request_id"])).earlier] == [
        f"turn {number}" for number in range(2, 10)
    ]


async def test_a_second_turn_waits_for_the_outcome_of_the_one_before(api: Api) -> None:
    first = await ask(api, "one")
    body = {"text": "two", "conversation_id": first["conversation_id"]}
    answer = await api.post("/v1/requests", body, by="ana")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "turn_open")
    assert answer.json()["request_id"] == first["request_id"]
    assert await api.count("requests") == 1


async def test_of_turns_that_are_sent_at_once_one_is_taken(api: Api) -> None:
    first = await ask(api, "one")
    await close(api, first["request_id"])
    body = {"text": "two", "conversation_id": first["conversation_id"]}
    answers = await asyncio.gather(*(api.post("/v1/requests", body, by="ana") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert await api.count("requests") == 2


@pytest.mark.parametrize("conversation_id", ["cnv_none", "x" * 64])
async def test_a_conversation_that_is_not_there_is_not_found(api: Api, conversation_id: str) -> None:
    body = {"text": "two", "conversation_id": conversation_id}
    answer = await api.post("/v1/requests", body, by="ana")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "conversation_not_found")
    shown = await api.get(f"/v1/conversations/{conversation_id}", by="ana")
    assert (shown.status_code, shown.json()["reason_code"]) == (404, "conversation_not_found")


async def test_nobody_reads_or_continues_the_conversation_of_somebody_else(api: Api) -> None:
    first = await ask(api, "one")
    await close(api, first["request_id"])
    body = {"text": "two", "conversation_id": first["conversation_id"]}
    assert (await api.post("/v1/requests", body, by="bot")).status_code == 404
    for other in ("bot", "ben", "olga"):
        assert (await api.get(f"/v1/conversations/{first['conversation_id']}", by=other)).status_code == 404
        assert (await api.get("/v1/conversations", by=other)).json() == {"conversations": []}


async def test_a_persons_own_conversations_are_listed_newest_first(api: Api) -> None:
    older, newer = await ask(api, "older " + "x" * 200), await ask(api, "newer")
    await ask(api, "somebody else's", by="bot")
    await close(api, older["request_id"])
    await close(api, newer["request_id"])
    assert [one["conversation_id"] for one in await listed(api)] == [
        newer["conversation_id"],
        older["conversation_id"],
    ]
    await ask(api, "again", older["conversation_id"])
    first, second = await listed(api)
    assert (first["conversation_id"], first["turns"], first["status"]) == (
        older["conversation_id"],
        2,
        "received",
    )
    assert first["title"] == ("older " + "x" * 200)[:120]
    assert (second["turns"], second["status"]) == (1, "answered")


async def listed(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/v1/conversations", by="ana")).json()["conversations"]
    return found


async def test_a_conversation_shows_turns_outcomes_and_proposals(api: Api) -> None:
    first = await ask(api, "scale inference to 4")
    await close(api, first["request_id"], "Four it is.", proposing=True)
    await ask(api, "thanks", first["conversation_id"])
    shown = (await api.get(f"/v1/conversations/{first['conversation_id']}", by="ana")).json()
    one, two = shown["turns"]
    assert (one["text"], one["answer"], one["status"]) == ("scale inference to 4", "Four it is.", "proposed")
    assert [proposal["summary"] for proposal in one["proposals"]] == [
        "resize acme-prod/serving/inference to 4 per zone"
    ]
    assert one["proposal_ids"] == [one["proposals"][0]["id"]]
    assert (two["text"], two["answer"], two["status"], two["proposals"]) == ("thanks", None, "received", [])


async def test_a_repeat_with_its_key_names_the_same_conversation(api: Api) -> None:
    body = {"text": "one"}
    first, again = [await api.post("/v1/requests", body, by="ana", key="k") for _ in range(2)]
    assert first.json() == again.json()


async def test_a_caller_with_a_token_is_never_the_chat_page(api: Api) -> None:
    refused = await api.post("/v1/requests", {"text": "hi"}, by="ana", **{"Sluice-Channel": "chat"})
    assert refused.status_code == 422
