"""The rules for LangGraph inside Temporal, each learnt from a defect of the plugin (docs/adr)."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from langgraph._internal._runnable import RunnableCallable
from temporalio.langgraph import LangGraphPlugin

from adapters.store.database import Database
from agents.capacity.graph import PLAN, READ, RECURSION_LIMIT, RULES, CapacityNodes, build_graph
from agents.capacity.state import initial_state
from agents.planners.openai import ModelOptions, OpenAIPlanner
from agents.port import AGENT_FAILURES, agent_plugin
from contracts.messages import request_workflow_id
from contracts.request import Request
from settings import LlmSettings
from tests import openai_server
from tests.gke_fixtures import RunningEmulator
from tests.openai_server import ChatServer, chat_server
from tests.request_stack import RequestStack, request_of, running_stack
from workflows.request import RequestWorkflow

__all__ = ["chat_server"]

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ("agents", "workflows", "activities", "adapters", "api", "worker.py", "bootstrap")


@pytest.fixture
async def endless(
    temporal_address: str, database: Database, local_fleet: RunningEmulator, chat_server: ChatServer
) -> AsyncIterator[RequestStack]:
    """A planner whose own cap is far beyond the graph's, and a model that never ends."""
    chat_server.script(openai_server.tools(("budget_left", "{}")))
    async with running_stack(temporal_address, database, local_fleet, chat_server, max_steps=10_000) as stack:
        yield stack


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for name in HOUSE:
        found = ROOT / name
        for path in [found] if found.is_file() else sorted(found.rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def importers_of(module: str) -> set[str]:
    found = set()
    for path, tree in sources():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name == module or name.startswith(f"{module}.") for name in names):
                found.add(str(path))
    return found


def test_one_file_knows_the_plugin() -> None:
    assert importers_of("temporalio.langgraph") | importers_of("temporalio.contrib.langgraph") == {
        "agents/port.py"
    }


def test_the_prebuilt_tool_node_is_not_used() -> None:
    assert importers_of("langgraph.prebuilt") == set()


def test_the_graph_is_fetched_in_the_run_of_a_workflow_only() -> None:
    """In `__init__` it would leak its cache through a context variable into other workflows of the thread."""
    assert "__init__" not in vars(RequestWorkflow)
    assert importers_of("agents.port") == {"bootstrap/workers.py", "workflows/request.py"} & {
        str(path) for path, _ in sources()
    }


def test_edges_are_async() -> None:
    planner = OpenAIPlanner(None, ModelOptions(name="none", max_steps=1))
    nodes = CapacityNodes(plan=planner.plan, read=planner.plan, rules=planner.plan)
    graph = build_graph(nodes, {PLAN: {}, READ: {}, RULES: {}})
    conditions = [branch.path for branches in graph.branches.values() for branch in branches.values()]
    assert len(conditions) == 2
    for condition in conditions:
        assert isinstance(condition, RunnableCallable)
        assert condition.func is None
        assert inspect.iscoroutinefunction(condition.afunc)


def test_the_state_is_plain_json() -> None:
    state = initial_state(request_of("hello"))
    assert json.loads(json.dumps(state)) == state
    assert Request.model_validate(state["request"]).text == "hello"


def test_the_recursion_limit_is_explicit_and_beyond_every_step_cap() -> None:
    largest = LlmSettings.model_fields["max_steps"].metadata[-1].le
    assert 2 * largest + 3 < RECURSION_LIMIT < 200


def test_what_would_leave_a_task_retrying_for_ever_fails_the_workflow() -> None:
    definition = RequestWorkflow.__temporal_workflow_definition  # type: ignore[attr-defined]
    assert tuple(definition.failure_exception_types) == AGENT_FAILURES


def test_each_worker_gets_a_graph_of_its_own() -> None:
    first, second = agent_plugin(), agent_plugin(model_timeout=timedelta(seconds=3))
    assert isinstance(first, LangGraphPlugin)
    assert isinstance(second, LangGraphPlugin)
    assert len(first.activities) == 3
    assert set(first.activities).isdisjoint(second.activities)


async def test_a_run_without_an_end_is_closed_as_failed(endless: RequestStack) -> None:
    request = request_of("hello")
    await endless.run(request)
    row = await endless.row(request)
    assert (row.status, row.reason_code) == ("failed", "agent_failed")


async def test_no_two_visits_of_a_node_are_given_the_same(endless: RequestStack) -> None:
    """Equal ones the plugin would answer from its cache, without running the node."""
    request = request_of("hello")
    await endless.run(request)
    handle = endless.client.get_workflow_handle(request_workflow_id(request.id))
    given = [
        event.activity_task_scheduled_event_attributes.input.payloads[0].data
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    states = [json.loads(one)["args"][0] for one in given]
    visits = {(len(state["pending"]), state["step"]) for state in states}
    assert len(given) == len(visits) == RECURSION_LIMIT
