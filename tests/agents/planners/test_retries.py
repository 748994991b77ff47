"""A worker's budget of retries: what the model gets to bear when it fails for everybody, and for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from agents.capacity.finish import FINISH
from agents.capacity.state import initial_state
from agents.planners.openai import MODEL_ATTEMPTS, ModelOptions, OpenAIPlanner
from contracts.errors import ModelUnavailable
from contracts.ports import ModelReply, ToolCall, Watcher
from tests.request_stack import request_of

_ANSWER = '{"outcome": "answered", "text": "As it is."}'


@dataclass
class Model:
    """Answers, or fails `failing` times before it does."""

    failing: int = 0
    calls: int = field(default=0, init=False)

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        watch: Watcher | None = None,
    ) -> ModelReply:
        self.calls += 1
        if self.failing > 0:
            self.failing -= 1
            raise ModelUnavailable("the model's endpoint answered HTTP 503")
        return ModelReply(tool_calls=(ToolCall(id="1", name=FINISH, arguments=_ANSWER),))


@dataclass
class Worker:
    """One planner, its calls repeated as Temporal repeats them."""

    model: Model

    def __post_init__(self) -> None:
        self._planner = OpenAIPlanner(self.model, ModelOptions(name="stub-1", max_steps=4))

    async def ask(self) -> str:
        """Return where one request's step ends: `end` with the model's answer, `rules` without."""
        state = initial_state(request_of("is all well?"))
        for attempt in range(1, MODEL_ATTEMPTS + 1):
            environment = ActivityEnvironment()
            environment.info = replace(environment.info, attempt=attempt)
            with suppress(ApplicationError):
                update: dict[str, Any] = await environment.run(self._planner.plan, state)
                return str(update["route"])
        raise AssertionError("the last attempt hands over")


async def test_when_the_model_fails_for_everybody_hardly_more_calls_are_made_than_requests() -> None:
    worker = Worker(Model(failing=10_000))
    assert {await worker.ask() for _ in range(100)} == {"rules"}
    assert worker.model.calls == 104


async def test_each_request_whose_call_fails_now_and_then_gets_its_answer() -> None:
    worker = Worker(Model())
    for _ in range(100):
        worker.model.failing = MODEL_ATTEMPTS - 2
        assert await worker.ask() == "end"


async def test_after_a_storm_ten_answers_earn_a_retry() -> None:
    worker = Worker(Model(failing=10_000))
    for _ in range(10):
        await worker.ask()
    worker.model.failing = 0
    for _ in range(10):
        assert await worker.ask() == "end"
    worker.model.failing = 1
    assert await worker.ask() == "end"


async def test_after_a_storm_nine_answers_earn_none_yet() -> None:
    worker = Worker(Model(failing=10_000))
    for _ in range(10):
        await worker.ask()
    worker.model.failing = 0
    for _ in range(9):
        assert await worker.ask() == "end"
    worker.model.failing = 1
    assert await worker.ask() == "rules"


async def test_long_calm_saves_up_no_more_than_four_retries() -> None:
    worker = Worker(Model())
    for _ in range(50):
        assert await worker.ask() == "end"
    worker.model.calls, worker.model.failing = 0, 10_000
    for _ in range(10):
        await worker.ask()
    assert worker.model.calls == 14


async def test_one_step_is_tried_three_times_at_most() -> None:
    worker = Worker(Model(failing=10_000))
    assert await worker.ask() == "rules"
    assert worker.model.calls == MODEL_ATTEMPTS == 3
