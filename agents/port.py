"""REQUEST → PROPOSAL: the one place that knows how the agent's graph runs inside a workflow (the LangGraph plugin).

`agent_plugin` goes to the workers, `run_agent` is awaited in `RequestWorkflow.run`. Nodes are activities: the model is
asked on the agent's queue, everything else on the workflow's own. Rules learnt from the plugin's source and kept by
tests/agents/test_port.py: the graph is fetched in `run` only, edges are async, state is JSON, and every visit of a
node differs by a step counter, because the plugin answers a second equal call of a node from its cache.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from langgraph.errors import GraphRecursionError
from pydantic import ValidationError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.langgraph import LangGraphPlugin
from temporalio.langgraph import graph as registered_graph
from temporalio.plugin import SimplePlugin

from agents.capacity.graph import PLAN, READ, RECURSION_LIMIT, RULES, CapacityNodes, Node, build_graph
from agents.capacity.progress import Progress
from agents.capacity.reading import ToolReading
from agents.capacity.state import AgentState, initial_state, unanswered
from agents.capacity.tools.tool import Evidence
from agents.heartbeat import HEARTBEAT_TIMEOUT
from agents.planners.openai import MAX_CALLS_PER_STEP, MODEL_ATTEMPTS, OpenAIPlanner
from agents.planners.rules import RULES_VERSION, RulesPlanner
from contracts.errors import ModelUnavailable
from contracts.messages import QUEUE_AGENT, AgentResult
from contracts.progress import RequestProgress
from contracts.proposal import Planner, PlannerKind
from contracts.request import AgentStep, Failed, Request

CAPACITY_GRAPH = "capacity"
AGENT_FAILED = "agent_failed"
AGENT_FAILURES: tuple[type[Exception], ...] = (GraphRecursionError, ValidationError)
"""For `failure_exception_types`: what must never leave a workflow task retrying for ever."""

_PLAN_ACTIVITY = f"{CAPACITY_GRAPH}.{PLAN}"
MODEL_WAIT = timedelta(seconds=30)
"""Between two calls of the model, at most."""
_SLACK = timedelta(seconds=15)
_READ_RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10), maximum_attempts=6
)


class _Elsewhere:
    """A node that another process serves. Its task queue never hands it out here."""

    async def serve(self, state: AgentState) -> dict[str, Any]:
        raise ApplicationError("this process does not serve that node", type="not_served_here")


def agent_plugin(
    *,
    planner: OpenAIPlanner | None = None,
    evidence: Evidence | None = None,
    model_queue: str = QUEUE_AGENT,
    model_timeout: timedelta = timedelta(seconds=30),
    model_wait: timedelta = MODEL_WAIT,
) -> SimplePlugin:
    """Return a fresh plugin for one worker; never share one between workers.

    The worker of `model_queue` is given `planner` and nothing else; the worker of the workflows is given `evidence`.
    A replayer needs neither. `model_timeout` bounds one call of the model (`SLUICE_LLM__TIMEOUT`), `model_wait` what
    comes between two of them: backing off, and a free worker.
    """
    elsewhere: Node = _Elsewhere().serve
    nodes = CapacityNodes(
        plan=planner.plan if planner else elsewhere,
        read=ToolReading(evidence).read if evidence else elsewhere,
        rules=RulesPlanner(evidence.reader, evidence.source).answer if evidence else elsewhere,
    )
    graph = build_graph(nodes, _where_nodes_run(model_queue, model_timeout, model_wait))
    return LangGraphPlugin(graphs={CAPACITY_GRAPH: graph})


def _where_nodes_run(
    model_queue: str, model_timeout: timedelta, model_wait: timedelta
) -> dict[str, dict[str, Any]]:
    asking = RetryPolicy(
        initial_interval=timedelta(seconds=1),
        maximum_interval=MODEL_WAIT,
        maximum_attempts=MODEL_ATTEMPTS,
    )
    return {
        PLAN: {
            "execute_in": "activity",
            "heartbeat_timeout": HEARTBEAT_TIMEOUT,
            "task_queue": model_queue,
            "start_to_close_timeout": model_timeout + _SLACK,
            # Also when no worker serves the model's queue: then the rules planner takes over.
            "schedule_to_close_timeout": MODEL_ATTEMPTS * (model_timeout + model_wait),
            "retry_policy": asking,
            "summary": "ask the model",
        },
        READ: {
            "execute_in": "activity",
            "heartbeat_timeout": HEARTBEAT_TIMEOUT,
            "start_to_close_timeout": MAX_CALLS_PER_STEP * timedelta(seconds=20) + _SLACK,
            "retry_policy": _READ_RETRIES,
            "summary": "read what the model asked for",
        },
        RULES: {
            "execute_in": "activity",
            "heartbeat_timeout": HEARTBEAT_TIMEOUT,
            "start_to_close_timeout": timedelta(seconds=60),
            "retry_policy": _READ_RETRIES,
            "summary": "apply the rules planner",
        },
    }


Notice = Callable[[RequestProgress], None]
"""Is told how far the agent has come, after every node. It must not fail, and is ignored when it does."""


async def run_agent(request: Request, notice: Notice, *, barred: str | None = None) -> AgentResult:
    """Run the agent on a request, inside `RequestWorkflow.run`, and return its one outcome whatever happens.

    `barred` is the reason code why the model may not be asked: then the rules planner answers.
    """
    teller = _Teller(notice)
    try:
        if barred is not None:
            return await _run(initial_state(request, route="rules", fallback=barred), teller)
        return await _model_or_rules(request, teller)
    except ActivityError as error:
        return _failed(_reason_of(error), teller.steps)
    except AGENT_FAILURES:
        return _failed(AGENT_FAILED, teller.steps)


class _Teller:
    """Tells `notice` about nodes, and swallows what goes wrong with that: a run does not end for being watched.

    It knows the steps, too, when a run breaks off.
    """

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._progress = Progress()
        self.steps: tuple[AgentStep, ...] = ()
        """Made so far. They are kept, and what they cost is spent, however the run ends."""

    def began(self, route: str) -> None:
        with contextlib.suppress(Exception):
            self._notice(self._progress.began(route))

    def after(self, updates: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            for node, update in updates.items():
                self._notice(self._progress.after(node, update))


async def _model_or_rules(request: Request, teller: _Teller) -> AgentResult:
    try:
        return await _run(initial_state(request), teller)
    except ActivityError as error:
        if error.activity_type != _PLAN_ACTIVITY:
            raise
    code = ModelUnavailable.reason_code
    steps = (*teller.steps, unanswered(code))
    state = initial_state(request, route="rules", fallback=code, steps=steps)
    return await _run(state, teller)


async def _run(state: AgentState, teller: _Teller) -> AgentResult:
    compiled = registered_graph(CAPACITY_GRAPH).compile()
    final = state
    teller.began(state["route"])
    parts = compiled.astream(state, {"recursion_limit": RECURSION_LIMIT}, stream_mode=["updates", "values"])
    async for mode, part in parts:
        if mode == "values":
            final = cast("AgentState", part)
            teller.steps = tuple(AgentStep.model_validate(step) for step in final["steps"])
        else:
            teller.after(cast("dict[str, Any]", part))
    result = AgentResult.model_validate(final["result"])
    return result.model_copy(update={"steps": teller.steps})


def _reason_of(error: ActivityError) -> str:
    cause = error.cause
    return cause.type if isinstance(cause, ApplicationError) and cause.type else AGENT_FAILED


def _failed(reason_code: str, steps: tuple[AgentStep, ...]) -> AgentResult:
    text = "The request could not be planned. Nothing was proposed."
    planner = Planner(kind=PlannerKind.RULES, prompt_version=RULES_VERSION)
    return AgentResult(outcome=Failed(text=text, reason_code=reason_code), planner=planner, steps=steps)
