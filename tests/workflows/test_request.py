from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from adapters.store import breakers, requests
from adapters.store.database import Database, database_now
from contracts.messages import proposal_workflow_id, request_workflow_id
from contracts.principal import SYSTEM
from contracts.request import RequestStatus
from tests import openai_server
from tests.gke_fixtures import RunningEmulator
from tests.openai_server import ChatServer, chat_server
from tests.request_stack import RequestStack, request_of, running_stack

__all__ = ["chat_server"]

POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving", "node_pool": "inference"}
RESIZE: dict[str, Any] = {"kind": "gke.node_pool.resize", **POOL, "node_count": 4}
READ = openai_server.tools(("read_node_pool", POOL))


@pytest.fixture
async def stack(
    temporal_address: str, database: Database, local_fleet: RunningEmulator, chat_server: ChatServer
) -> AsyncIterator[RequestStack]:
    async with running_stack(temporal_address, database, local_fleet, chat_server) as running:
        yield running


async def test_a_request_becomes_a_proposal_with_a_workflow_of_its_own(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(READ, openai_server.propose(RESIZE))
    request = request_of("the queue of inference grows")
    closed = await stack.run(request)
    [draft] = await stack.drafts()
    assert closed.status is RequestStatus.PROPOSED
    assert [one.proposal_id for one in closed.proposals] == [draft["id"]]
    assert draft["action"] == RESIZE
    assert [author["subject"] for author in draft["authors"]] == ["ana", "capacity-agent"]
    assert (draft["environment"], draft["team"], draft["mode"]) == ("production", "inference", "practice")
    child = stack.client.get_workflow_handle(proposal_workflow_id(draft["id"]))
    assert await child.result() == draft["id"]


async def test_the_proposal_says_which_model_and_which_prompt_made_it(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.propose(RESIZE))
    await stack.run(request_of("more"))
    [draft] = await stack.drafts()
    planner = draft["planner"]
    assert (planner["kind"], planner["model"], planner["prompt_version"]) == (
        "openai",
        "stub-1",
        "planner.v2",
    )
    assert planner["prompt_digest"].startswith("sha256:")


async def test_tokens_and_cost_of_every_step_are_kept(stack: RequestStack, chat_server: ChatServer) -> None:
    chat_server.script(READ, openai_server.finish("answered", "It has 2 nodes per zone."))
    request = request_of("how is inference doing?")
    await stack.run(request)
    row = await stack.row(request)
    assert (row.status, row.answer) == ("answered", "It has 2 nodes per zone.")
    assert [(step["kind"], step["name"]) for step in row.steps] == [
        ("model", "stub-1"),
        ("tool", "read_node_pool"),
        ("model", "stub-1"),
    ]
    assert [step["cost_usd"] for step in row.steps] == ["0.0004", "0", "0.0004"]
    assert row.steps[1]["arguments"] == POOL


@pytest.mark.parametrize(("outcome", "status"), [("asked", "asked"), ("refused", "refused")])
async def test_the_agent_may_ask_back_or_refuse(
    stack: RequestStack, chat_server: ChatServer, outcome: str, status: str
) -> None:
    chat_server.script(openai_server.finish(outcome, "Which one?"))
    request = request_of("make it bigger")
    await stack.run(request)
    row = await stack.row(request)
    assert (row.status, row.answer) == (status, "Which one?")
    assert await stack.drafts() == []


async def test_several_actions_are_several_proposals_in_order(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.propose(RESIZE, RESIZE | {"node_pool": "web", "node_count": 3}))
    closed = await stack.run(request_of("more of both"))
    assert [one.action.node_pool for one in closed.proposals] == ["inference", "web"]


async def test_the_tools_read_again_on_every_visit_although_nothing_they_are_asked_changed(
    stack: RequestStack, chat_server: ChatServer, local_fleet: RunningEmulator
) -> None:
    """The plugin answers an equal second call of a node from its cache; the step counter in the state prevents it."""
    sizes: list[int] = []

    async def look_again(request: Any, body: dict[str, Any]) -> Any:
        seen = [message for message in body["messages"] if message["role"] == "tool"]
        if seen:
            assert stack.reader is not None
            sizes.append(len(seen))
        if len(seen) == 3:
            return await openai_server.finish("answered", "seen")(request, body)
        return await READ(request, body)

    chat_server.script(look_again)
    await stack.run(request_of("watch"))
    reads = [call for call in local_fleet.calls() if call.method == "GetNodePool"]
    assert sizes == [1, 2, 3]
    assert len(reads) == 3


async def test_the_loop_stops_at_its_cap(stack: RequestStack, chat_server: ChatServer) -> None:
    chat_server.script(READ)
    request = request_of("look for ever")
    await stack.run(request)
    row = await stack.row(request)
    assert (row.status, row.reason_code) == ("refused", "step_cap_reached")
    assert "4 steps" in row.answer
    assert len(chat_server.calls) == 4


async def test_without_a_model_the_rules_planner_answers_and_says_so(
    temporal_address: str, database: Database, local_fleet: RunningEmulator
) -> None:
    async with running_stack(temporal_address, database, local_fleet, None) as stack:
        request = request_of("scale inference in acme-prod to 4")
        closed = await stack.run(request)
        row, [draft] = await stack.row(request), await stack.drafts()
    assert closed.status is RequestStatus.PROPOSED
    assert "rules planner; no language model is configured" in row.answer
    assert draft["action"] == RESIZE
    assert draft["planner"]["kind"] == "rules"


@pytest.mark.parametrize("code", [429, 500])
async def test_when_the_model_stays_down_the_rules_planner_takes_over_and_says_so(
    stack: RequestStack, chat_server: ChatServer, code: int
) -> None:
    chat_server.script(openai_server.status(code, {"Retry-After": "0"}))
    request = request_of("scale inference in acme-prod to 4")
    await stack.run(request)
    row, [draft] = await stack.row(request), await stack.drafts()
    assert "because the language model does not answer" in row.answer
    assert draft["planner"]["kind"] == "rules"
    assert len(chat_server.calls) == 3


async def test_a_model_that_comes_back_is_asked_again(stack: RequestStack, chat_server: ChatServer) -> None:
    chat_server.script(
        openai_server.status(503, {"Retry-After": "0"}), openai_server.finish("answered", "back")
    )
    request = request_of("hello")
    await stack.run(request)
    assert (await stack.row(request)).answer == "back"


async def test_a_request_is_answered_although_nobody_serves_the_models_queue(
    temporal_address: str, database: Database, local_fleet: RunningEmulator, chat_server: ChatServer
) -> None:
    options: dict[str, Any] = {
        "model_worker": False,
        "model_timeout": timedelta(seconds=0.3),
        "model_wait": timedelta(0),
    }
    async with running_stack(temporal_address, database, local_fleet, chat_server, **options) as stack:
        request = request_of("list pools")
        await stack.run(request)
        row = await stack.row(request)
    assert row.status == "answered"
    assert "because the language model does not answer" in row.answer


async def test_a_rerun_of_the_whole_workflow_makes_no_second_proposal(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.propose(RESIZE))
    request = request_of("more")
    first = await stack.run(request)
    chat_server.script(openai_server.propose(RESIZE | {"node_count": 9}))
    second = await (await stack.start(request)).result()
    assert second == first
    assert len(await stack.drafts()) == 1
    assert len(chat_server.calls) == 1


async def test_a_request_closed_meanwhile_keeps_its_outcome_and_gets_no_proposal(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Any, body: dict[str, Any]) -> Any:
        entered.set()
        await go_on.wait()
        return await openai_server.propose(RESIZE)(request, body)

    chat_server.script(slow)
    request = request_of("more")
    await stack.store(request)
    handle = await stack.start(request)
    await entered.wait()
    async with stack.database.transaction() as connection:
        await requests.close(connection, request.id, RequestStatus.REFUSED, "gone", "alert_resolved")
    go_on.set()
    closed = await handle.result()
    assert (closed.status, closed.proposals) == (RequestStatus.REFUSED, ())
    assert await stack.drafts() == []
    assert (await stack.row(request)).reason_code == "alert_resolved"


async def test_a_cancel_through_temporal_does_not_lose_the_request(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Any, body: dict[str, Any]) -> Any:
        entered.set()
        await go_on.wait()
        return await openai_server.finish("answered", "still here")(request, body)

    chat_server.script(slow)
    request = request_of("hello")
    await stack.store(request)
    handle = await stack.start(request)
    await entered.wait()
    await handle.cancel()
    go_on.set()
    assert (await handle.result()).status is RequestStatus.ANSWERED


async def test_a_request_that_is_stored_nowhere_changes_nothing(stack: RequestStack) -> None:
    request = request_of("hello")
    handle = await stack.start(request)
    with pytest.raises(Exception, match="failed"):
        await handle.result()
    assert await stack.drafts() == []


async def test_the_audit_log_tells_the_whole_story_once(stack: RequestStack, chat_server: ChatServer) -> None:
    chat_server.script(openai_server.propose(RESIZE))
    request = request_of("more")
    closed = await stack.run(request)
    assert await stack.audit_types(request.id) == ["request.received", "request.planning", "request.closed"]
    assert await stack.audit_types(closed.proposals[0].proposal_id) == ["proposal.created"]


async def test_the_child_can_be_found_by_its_search_attributes(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.propose(RESIZE))
    closed = await stack.run(request_of("more"))
    child = stack.client.get_workflow_handle(proposal_workflow_id(closed.proposals[0].proposal_id))
    await child.result()
    description = await child.describe()
    found = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert found["SluiceTarget"] == "gke.node_pool/acme-prod/europe-west4/serving/inference"
    assert found["SluiceRequester"] == "local/ana"
    assert description.status is WorkflowExecutionStatus.COMPLETED
    assert await description.static_summary() == "resize acme-prod/serving/inference to 4 per zone"


async def test_the_models_key_is_in_no_history_also_when_the_endpoint_echoes_it(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.status(500, {"Retry-After": "0"}, echo_key=True))
    request = request_of("list pools")
    await stack.run(request)
    history = await stack.client.get_workflow_handle(request_workflow_id(request.id)).fetch_history()
    assert openai_server.KEY not in history.to_json()
    assert openai_server.KEY not in str(await stack.row(request))


async def test_a_model_that_is_given_a_rest_is_not_asked_and_the_answer_says_why(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.finish("answered", "It has 2 nodes per zone."))
    async with stack.database.transaction() as connection:
        now = await database_now(connection)
        await breakers.open_by_hand(
            connection,
            "model:stub-1",
            actor=SYSTEM,
            reason="it rambles",
            lasts=None,
            now=now,
            tenant="default",
        )
    request = request_of("how big is inference in acme-prod?")
    closed = await stack.run(request)
    assert closed.status is RequestStatus.ANSWERED
    assert "is given a rest" in (await stack.row(request)).answer
    assert chat_server.calls == []
    async with stack.database.transaction() as connection:
        await breakers.reset(connection, "model:stub-1", actor=SYSTEM, reason="cured", tenant="default")
    await stack.run(request_of("how big is inference in acme-prod?"))
    assert len(chat_server.calls) == 1
