"""One OpenTelemetry trace from the request over HTTP to the effect, as a collector receives it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests import openai_server
from tests.e2e.stack import eventually
from tests.e2e.watched import Watched

pytestmark = pytest.mark.asyncio(loop_scope="session")


STAGES = frozenset(
    {
        ("worker", "RunWorkflow:ProposalWorkflow"),
        ("worker", "RunActivity:check_proposal"),
        ("worker", "RunActivity:admit_proposal"),
        ("worker", "RunActivity:execute_action"),
    }
)


async def post(watched: Watched, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Post as a caller that traces itself; return the trace's id and the answer."""
    trace_id = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    answer = await watched.stack.people["requester"].post(path, json=body, headers=headers)
    assert answer.status_code == 202
    return trace_id, answer.json()


async def spans_of(
    watched: Watched, trace_id: str, wanted: frozenset[tuple[str, str]]
) -> dict[bytes, tuple[str, Span]]:
    """The spans of a trace by their id, once all the wanted ones (process, name) have arrived."""
    spans: dict[bytes, tuple[str, Span]] = {}

    async def is_whole() -> bool:
        for process, span in watched.sink.spans():
            if span.trace_id.hex() == trace_id:
                spans[span.span_id] = (process, span)
        return wanted <= {(process, span.name) for process, span in spans.values()}

    await eventually(is_whole)
    return spans


async def test_one_trace_leads_from_a_proposal_over_http_to_its_effect(watched: Watched) -> None:
    action = watched.stack.place().resize(2)
    trace_id, made = await post(watched, "/v1/proposals", {"action": action, "reason": "traced"})
    await watched.stack.until(made["proposal_id"], "succeeded")
    begun = {("api", "POST /v1/proposals"), ("api", "StartWorkflow:ProposalWorkflow")}
    spans = await spans_of(watched, trace_id, STAGES | begun)
    roots = [span.name for _, span in spans.values() if span.parent_span_id not in spans]
    assert roots == ["POST /v1/proposals"]


async def test_one_trace_leads_from_a_chat_over_the_agent_to_the_effect(watched: Watched) -> None:
    watched.model.script(openai_server.status(500, {"Retry-After": "0"}))
    text = f"scale web in {watched.stack.place().name} to 2"
    trace_id, made = await post(watched, "/v1/requests", {"text": text})

    async def proposed() -> Any:
        shown = await watched.stack.people["viewer"].get(f"/v1/requests/{made['request_id']}")
        return shown.json()["proposal_ids"]

    [proposal_id] = await eventually(proposed)
    await watched.stack.until(proposal_id, "succeeded")
    begun = {("api", "POST /v1/requests"), ("worker", "RunWorkflow:RequestWorkflow")}
    spans = await spans_of(watched, trace_id, STAGES | begun)
    roots = [span.name for _, span in spans.values() if span.parent_span_id not in spans]
    assert roots == ["POST /v1/requests"]
