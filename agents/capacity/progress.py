"""REQUEST → PROPOSAL: from the updates of the graph's nodes to what somebody who watches is shown. Pure.

It is kept inside the workflow, so it is the same after a replay and costs no history event. It never fails: watching
must not change what becomes of a request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from agents.capacity.graph import PLAN, READ, RULES
from agents.capacity.tools.tool import shown_arguments
from contracts.errors import ModelUnavailable
from contracts.progress import (
    MAX_PROGRESS_RESULT,
    MAX_PROGRESS_STEPS,
    ProgressStep,
    RequestProgress,
    StepState,
)

_MAX_SHOWN_ARGUMENTS = 600
"""Characters. A tool of ours takes fewer; a hostile model may send many more."""

Update = Mapping[str, Any]
"""What a node returned: a part of `AgentState`."""


class Progress:
    """The steps so far. Each method returns them as they stand after what it is told."""

    def __init__(self) -> None:
        self._done: list[ProgressStep] = []
        self._running: list[ProgressStep] = []

    def began(self, route: str) -> RequestProgress:
        """The graph starts at a node. What ran before it never came back."""
        self._done += [
            one.model_copy(update={"state": StepState.FAILED, "error": ModelUnavailable.reason_code})
            for one in self._running
        ]
        return self._goes_on(route)

    def after(self, node: str, update: Update) -> RequestProgress:
        """A node came back, and the next one starts."""
        if node == READ:
            self._done += _read(update)
        else:
            self._done += [_model_step(step) for step in update.get("steps") or ()]
        if node == RULES:
            self._done.append(ProgressStep(kind="rules", name="rules planner", state=StepState.DONE))
        return self._goes_on(str(update.get("route", "")), update.get("pending") or ())

    def _goes_on(self, route: str, pending: Sequence[Mapping[str, Any]] = ()) -> RequestProgress:
        running = StepState.RUNNING
        if route == PLAN:
            self._running = [ProgressStep(kind="model", name="", state=running)]
        elif route == READ:
            self._running = [
                ProgressStep(
                    kind="tool",
                    name=str(call["name"]),
                    state=running,
                    arguments=_short(shown_arguments(str(call["arguments"]))),
                )
                for call in pending
            ]
        elif route == RULES:
            self._running = [ProgressStep(kind="rules", name="rules planner", state=running)]
        else:
            self._running = []
        return RequestProgress(steps=tuple([*self._done, *self._running][-MAX_PROGRESS_STEPS:]))


def _model_step(step: Mapping[str, Any]) -> ProgressStep:
    return ProgressStep(kind="model", name=str(step["name"]), state=_state(step), error=step["error"])


def _read(update: Update) -> Iterator[ProgressStep]:
    for step, message in zip(update.get("steps") or (), update.get("messages") or (), strict=False):
        yield ProgressStep(
            kind="tool",
            name=str(step["name"]),
            state=_state(step),
            arguments=_short(step["arguments"]),
            result=str(message["content"])[:MAX_PROGRESS_RESULT],
            error=step["error"],
        )


def _state(step: Mapping[str, Any]) -> Literal[StepState.DONE, StepState.FAILED]:
    return StepState.FAILED if step["error"] else StepState.DONE


def _short(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments if len(json.dumps(arguments)) <= _MAX_SHOWN_ARGUMENTS else {"cut": True}
