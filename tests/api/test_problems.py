from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from adapters.store.database import Database
from contracts.messages import ProposalInput
from tests.api.serving import RESIZE, Api, RecordingGateway

MEMBERS = {"type", "title", "status", "detail", "instance", "reason_code", "trace_id"}


async def test_every_error_is_a_problem_document_with_a_trace_id(api: Api) -> None:
    answers = [
        await api.http.get("/v1/proposals"),
        await api.http.get("/nowhere"),
        await api.http.request("PATCH", "/v1/proposals", json={}),
        await api.get("/v1/proposals/prp_none"),
        await api.get("/v1/proposals", limit="many"),
        await api.post("/v1/proposals", {"action": {}, "reason": "x"}, by="ana"),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 405, 404, 422, 422]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body.keys() >= MEMBERS
        assert body["status"] == answer.status_code
        assert len(body["trace_id"]) == 32


async def test_the_callers_trace_goes_on(api: Api) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = await api.http.get("/v1/proposals", headers=headers)
    assert answer.json()["trace_id"] == trace


async def test_security_headers_are_on_every_answer(api: Api) -> None:
    for answer in (await api.http.get("/healthz"), await api.http.get("/v1/proposals")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


async def test_a_lost_database_is_503_and_names_no_cause(api: Api, free_port: Callable[[], int]) -> None:
    lost = Database(f"postgresql://sluice:hidden@127.0.0.1:{free_port()}/sluice")
    api.app.state.parts = replace(api.parts, database=lost)
    answer = await api.http.post("/v1/requests", json={"text": "x"}, headers=api.headers("ana"))
    read = await api.get("/v1/proposals")
    await lost.close()
    # The connection may break during a commit: then nobody knows.
    assert "Nothing was changed" not in answer.json()["detail"]
    assert "Idempotency-Key" in answer.json()["detail"]
    assert "Nothing was changed" in read.json()["detail"]
    assert (answer.status_code, answer.json()["reason_code"]) == (503, "store_unavailable")
    assert "hidden" not in answer.text
    assert answer.headers["retry-after"]


class BrokenGateway(RecordingGateway):
    async def start_proposal(self, start: ProposalInput) -> None:
        raise ZeroDivisionError("secret words")


async def test_an_error_that_is_not_ours_says_nothing_about_itself(api: Api) -> None:
    api.app.state.parts = replace(api.parts, gateway=BrokenGateway())
    answer = await api.post("/v1/proposals", {"action": RESIZE, "reason": "x"}, by="ana")
    assert (answer.status_code, answer.json()["reason_code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
