from __future__ import annotations

import asyncio

from adapters.store import requests
from contracts.principal import PrincipalKind
from contracts.request import Channel, Request, RequestStatus, Trust
from tests.api.serving import Api


async def test_a_request_is_stored_with_its_audit_event_and_outbox_row_and_handed_to_temporal(
    api: Api,
) -> None:
    answer = await api.post("/v1/requests", {"text": "two more nodes, please"}, by="ana")
    assert answer.status_code == 202
    request_id = answer.json()["request_id"]
    assert api.gateway.started == [request_id]
    assert await api.audit(request_id) == ["request.received"]
    assert await api.outbox(request_id) == [("start_request", True)]
    shown = (await api.get(f"/v1/requests/{request_id}")).json()
    assert (shown["status"], shown["answer"], shown["proposal_ids"]) == ("received", None, [])
    assert (shown["requester"], shown["channel"]) == ("local/ana", "api")


async def test_a_request_is_accepted_while_temporal_is_down_and_stays_in_the_outbox(api: Api) -> None:
    api.gateway.is_down = True
    answer = await api.post("/v1/requests", {"text": "hello"}, by="ana")
    assert answer.status_code == 202
    assert await api.outbox(answer.json()["request_id"]) == [("start_request", False)]


async def test_twenty_identical_posts_with_one_idempotency_key_make_one_request(api: Api) -> None:
    posts = [api.post("/v1/requests", {"text": "once"}, by="ana", key="k-1") for _ in range(20)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["request_id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await api.count("requests") == 1
    assert await api.count("outbox") == 1


async def test_an_idempotency_key_with_another_body_or_route_is_refused(api: Api) -> None:
    await api.post("/v1/requests", {"text": "one"}, by="ana", key="k")
    other = await api.post("/v1/requests", {"text": "two"}, by="ana", key="k")
    assert (other.status_code, other.json()["reason_code"]) == (422, "idempotency_key_reused")
    assert await api.count("requests") == 1


async def test_an_idempotency_key_belongs_to_its_caller(api: Api) -> None:
    mine = await api.post("/v1/requests", {"text": "one"}, by="ana", key="k")
    theirs = await api.post("/v1/requests", {"text": "one"}, by="bot", key="k")
    assert mine.json()["request_id"] != theirs.json()["request_id"]


async def test_a_key_that_is_not_printable_ascii_is_refused(api: Api) -> None:
    answer = await api.post("/v1/requests", {"text": "one"}, by="ana", key="x" * 256)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "idempotency_key_invalid")


async def test_the_command_line_names_itself_as_the_channel(api: Api) -> None:
    answer = await api.post("/v1/requests", {"text": "hi"}, by="ana", **{"Sluice-Channel": "cli"})
    shown = await api.get(f"/v1/requests/{answer.json()['request_id']}")
    assert shown.json()["channel"] == "cli"
    refused = await api.post("/v1/requests", {"text": "hi"}, by="ana", **{"Sluice-Channel": "event"})
    assert refused.status_code == 422


async def test_the_channel_that_a_caller_names_raises_neither_trust_nor_priority(api: Api) -> None:
    stored: list[Request] = []
    said: list[dict[str, str]] = [{}, {"Sluice-Channel": "api"}, {"Sluice-Channel": "cli"}]
    for named in said:
        answer = await api.post("/v1/requests", {"text": "hi"}, by="bot", **named)
        async with api.parts.database.reading() as connection:
            row = await requests.find(connection, "default", answer.json()["request_id"])
        assert row is not None
        stored.append(Request.model_validate(row.document))
    assert {one.trust for one in stored} == {Trust.TRUSTED}
    assert {one.requester.kind for one in stored} == {PrincipalKind.AGENT}
    assert len({one.channel.priority for one in stored}) == 1
    for other in set(Channel) - {Channel.API, Channel.CLI}:
        refused = await api.post("/v1/requests", {"text": "hi"}, by="bot", **{"Sluice-Channel": other.value})
        assert refused.status_code == 422


async def test_empty_and_overlong_text_is_refused_with_the_field(api: Api) -> None:
    for text in ("", "   ", "x" * 8_001):
        answer = await api.post("/v1/requests", {"text": text}, by="ana")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "body.text"


async def test_the_outcome_of_a_request_is_shown(api: Api) -> None:
    request_id = (await api.post("/v1/requests", {"text": "why?"}, by="ana")).json()["request_id"]
    async with api.database.transaction() as connection:
        await requests.close(connection, request_id, RequestStatus.REFUSED, "No such pool.", "unknown_pool")
    shown = (await api.get(f"/v1/requests/{request_id}")).json()
    assert (shown["status"], shown["answer"], shown["reason_code"]) == (
        "refused",
        "No such pool.",
        "unknown_pool",
    )


async def test_an_unknown_request_is_not_found(api: Api) -> None:
    answer = await api.get("/v1/requests/req_none")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "request_not_found")
