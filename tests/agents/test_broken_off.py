"""A run that breaks off: the steps that it made are kept, for audit and because they have cost something."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.exceptions import ActivityError, RetryState

from agents import port
from agents.capacity.graph import PLAN, READ
from contracts.messages import AgentResult
from contracts.progress import RequestProgress
from contracts.proposal import Planner, PlannerKind
from contracts.request import AgentStep, Answered
from tests.request_stack import request_of

CALLED = AgentStep(kind="model", name="stub-1", input_tokens=100, output_tokens=10, cost_usd="0.0003")
ANSWER = AgentResult(outcome=Answered(text="Two."), planner=Planner(kind=PlannerKind.RULES))


class BreakingOff:
    """A graph that calls the model once, then loses an activity for good. With the rules it comes to its end."""

    def __init__(self, lost: str) -> None:
        self.lost = lost

    def compile(self) -> BreakingOff:
        return self

    async def astream(self, state: dict[str, Any], *_: object, **__: object) -> AsyncIterator[Any]:
        yield "values", state
        if state["route"] == "rules":
            yield "values", {**state, "result": ANSWER.model_dump(mode="json")}
            return
        yield "values", {**state, "steps": [CALLED.model_dump(mode="json")]}
        raise ActivityError(
            "lost",
            scheduled_event_id=1,
            started_event_id=2,
            identity="",
            activity_type=f"{port.CAPACITY_GRAPH}.{self.lost}",
            activity_id="1",
            retry_state=RetryState.TIMEOUT,
        )


@pytest.mark.parametrize(
    ("lost", "outcome", "errors"),
    [(PLAN, "answered", [None, "model_unavailable"]), (READ, "failed", [None])],
    ids=["nobody asks the model any more", "what it asked for cannot be read"],
)
async def test_what_the_model_was_asked_before_is_kept_with_its_cost(
    monkeypatch: pytest.MonkeyPatch, lost: str, outcome: str, errors: list[str | None]
) -> None:
    def ignore(_: RequestProgress) -> None:
        return None

    monkeypatch.setattr(port, "registered_graph", lambda _: BreakingOff(lost))
    result = await port.run_agent(request_of("how big is inference?"), ignore)
    assert result.outcome.outcome == outcome
    assert [step.error for step in result.steps] == errors
    assert result.steps[0] == CALLED
