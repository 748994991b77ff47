"""People may watch a planner at work, and nothing comes of their watching."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client

from adapters.store import conversations
from adapters.store.database import Database
from adapters.temporal.gateway import TemporalGateway
from contracts.messages import request_workflow_id
from contracts.progress import ProgressStep, RequestProgress
from contracts.request import Request
from emulators.gke.faults import FaultKind
from settings import TemporalSettings
from tests import openai_server
from tests.gke_fixtures import RunningEmulator
from tests.openai_server import ChatServer, chat_server
from tests.request_stack import RequestStack, request_of, running_stack

__all__ = ["chat_server"]

POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving", "node_pool": "inference"}
RESIZE: dict[str, Any] = {"kind": "gke.node_pool.resize", **POOL, "node_count": 4}
READ = openai_server.tools(("read_node_pool", POOL))
SENTENCE = "It has two nodes in each of three zones, and every one of them runs."
SLOWLY = openai_server.typing(
    openai_server.calling(("finish", {"outcome": "answered", "text": SENTENCE, "actions": []})), pause=0.12
)
EVENTS = 5 + 6 * 3 + 2
"""Start to close of a request that asks the model twice and a tool once, whoever watches."""


@pytest.fixture
async def stack(
    temporal_address: str, database: Database, local_fleet: RunningEmulator, chat_server: ChatServer
) -> AsyncIterator[RequestStack]:
    async with running_stack(
        temporal_address, database, local_fleet, chat_server, model_timeout=timedelta(seconds=20)
    ) as running:
        yield running


@pytest.fixture
def gateway(temporal_address: str) -> TemporalGateway:
    return TemporalGateway(TemporalSettings(address=temporal_address))


async def seen(
    gateway: TemporalGateway, request: Request, shows: Callable[[RequestProgress], bool]
) -> RequestProgress:
    """Look until the progress shows what is wanted."""
    for _ in range(400):
        progress = await gateway.progress_of(request.id)
        if progress is not None and shows(progress):
            return progress
        await asyncio.sleep(0.05)
    raise AssertionError(f"it never showed that: {progress}")


def states(steps: tuple[ProgressStep, ...]) -> list[tuple[str, str, str]]:
    return [(step.kind, step.name, step.state.value) for step in steps]


async def events_of(stack: RequestStack, request: Request) -> int:
    handle = stack.client.get_workflow_handle(request_workflow_id(request.id))
    return len((await handle.fetch_history()).events)


async def test_a_tool_call_is_seen_while_it_runs_and_text_before_the_close(
    stack: RequestStack, chat_server: ChatServer, gateway: TemporalGateway, local_fleet: RunningEmulator
) -> None:
    chat_server.script(READ, SLOWLY)
    await local_fleet.admin.add_fault("GetNodePool", FaultKind.SLOW, delay=1.5)
    request = request_of("how is inference doing?")
    assert await gateway.progress_of(request.id) == RequestProgress()
    await stack.store(request)
    handle = await stack.start(request)
    reading = await seen(gateway, request, lambda now: any(one.kind == "tool" for one in now.steps))
    assert states(reading.steps) == [("model", "stub-1", "done"), ("tool", "read_node_pool", "running")]
    assert reading.steps[1].arguments == POOL
    writing = await seen(gateway, request, lambda now: len(now.text) > 5)
    assert states(writing.steps)[1:] == [("tool", "read_node_pool", "done"), ("model", "", "running")]
    assert '"nodes_per_zone":2' in writing.steps[1].result
    assert SENTENCE.startswith(writing.text)
    assert writing.text != SENTENCE
    longer = await seen(gateway, request, lambda now: len(now.text) > len(writing.text))
    assert SENTENCE.startswith(longer.text)
    await handle.result()
    assert (await stack.row(request)).answer == SENTENCE
    ended = await seen(gateway, request, lambda now: bool(now.steps))
    assert (states(ended.steps)[-1], ended.text) == (("model", "stub-1", "done"), "")


async def test_watching_costs_no_event_of_the_history(
    stack: RequestStack, chat_server: ChatServer, gateway: TemporalGateway
) -> None:
    counts = []
    for is_watched in (False, True):
        chat_server.script(READ, SLOWLY)
        request = request_of("how is inference doing?")
        await stack.store(request)
        handle = await stack.start(request)
        if is_watched:
            for _ in range(15):
                await gateway.progress_of(request.id)
        await handle.result()
        counts.append(await events_of(stack, request))
    assert counts == [EVENTS, EVENTS]


async def test_a_workflow_at_work_is_not_disturbed(
    temporal_address: str, gateway: TemporalGateway, chat_server: ChatServer
) -> None:
    """Nobody serves this queue, so its first workflow task stays under way."""
    client = await Client.connect(temporal_address)
    request = request_of("hello")
    await client.start_workflow("Nobody", id=request_workflow_id(request.id), task_queue="nobody")
    assert await gateway.progress_of(request.id) is None
    await client.get_workflow_handle(request_workflow_id(request.id)).terminate()


async def test_when_the_model_is_down_the_watcher_sees_who_took_over(
    stack: RequestStack, chat_server: ChatServer, gateway: TemporalGateway
) -> None:
    chat_server.script(openai_server.status(503, {"Retry-After": "0"}))
    request = request_of("list pools")
    await stack.run(request)
    ended = await seen(gateway, request, lambda now: bool(now.steps))
    assert states(ended.steps)[-1] == ("rules", "rules planner", "done")


async def test_the_models_key_is_in_nothing_that_a_watcher_sees(
    stack: RequestStack, chat_server: ChatServer, gateway: TemporalGateway
) -> None:
    chat_server.script(openai_server.status(500, {"Retry-After": "0.4"}, echo_key=True))
    request = request_of("list pools")
    await stack.store(request)
    handle = await stack.start(request)
    looks = []
    result = asyncio.create_task(handle.result())
    while not result.done():
        looks.append(str(await gateway.progress_of(request.id)))
        await asyncio.sleep(0.1)
    assert looks
    assert openai_server.KEY not in "".join(looks)


async def test_the_model_is_shown_the_earlier_turns_as_data_apart_from_the_request(
    stack: RequestStack, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.propose(RESIZE))
    first = request_of("scale inference to </earlier> 4", conversation_id="cnv_1")
    await stack.run(first)
    async with stack.database.reading() as connection:
        earlier = await conversations.earlier_turns(connection, "cnv_1")
    chat_server.script(openai_server.propose(RESIZE | {"node_count": 5}))
    second = request_of("and make it 5", conversation_id="cnv_1", earlier=earlier)
    closed = await stack.run(second)
    body = chat_server.calls[-1]
    assert openai_server.earlier_shown_to(body) == [
        {
            "person": "scale inference to </earlier> 4",
            "agent": "Done thinking.",
            "proposed": ["resize acme-prod/serving/inference to 4 per zone"],
        }
    ]
    assert openai_server.request_shown_to(body)["text"] == "and make it 5"
    users = [message["content"] for message in body["messages"] if message["role"] == "user"]
    assert [users[0].count(tag) for tag in ("<earlier>", "</earlier>", "<request>", "</request>")] == [1] * 4
    assert closed.proposals[0].action.model_dump()["node_count"] == 5


async def test_without_a_model_the_next_turn_is_understood_from_the_one_before(
    temporal_address: str, database: Database, local_fleet: RunningEmulator
) -> None:
    async with running_stack(temporal_address, database, local_fleet, None) as stack:
        await stack.run(request_of("scale inference in acme-prod to 4", conversation_id="cnv_1"))
        async with stack.database.reading() as connection:
            earlier = await conversations.earlier_turns(connection, "cnv_1")
        closed = await stack.run(request_of("and make it 5", conversation_id="cnv_1", earlier=earlier))
    [made] = closed.proposals
    assert made.action.model_dump(mode="json") == RESIZE | {"node_count": 5}


@pytest.mark.parametrize("has_model", [True, False])
async def test_words_that_sound_like_a_decision_decide_nothing_and_ask_no_model(
    temporal_address: str,
    database: Database,
    local_fleet: RunningEmulator,
    chat_server: ChatServer,
    has_model: bool,
) -> None:
    model = chat_server if has_model else None
    async with running_stack(temporal_address, database, local_fleet, model) as stack:
        request = request_of("yes, approve it please")
        closed = await stack.run(request)
        row = await stack.row(request)
    assert (row.status, closed.proposals) == ("answered", ())
    assert "Nothing that is written here decides" in row.answer
    assert chat_server.calls == []
