"""REQUEST → PROPOSAL: what a planner is doing right now. For looking only: nothing decides by it, nothing stores it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import JsonValue

from contracts.base import Contract

MAX_PROGRESS_STEPS = 120
"""Steps that are shown; the oldest are left out."""
MAX_PROGRESS_TEXT = 4_000
"""Characters of the text that a model is writing."""
MAX_PROGRESS_RESULT = 600
"""Characters of a tool's answer."""


class StepState(StrEnum):
    """How one step stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ProgressStep(Contract):
    """One step of an agent's run: a call of the model, a call of a tool, or the rules planner."""

    kind: Literal["model", "tool", "rules"]
    name: str
    """The tool's name as the model spelled it, or the model's; empty while a model is still being asked."""
    state: StepState
    arguments: dict[str, JsonValue] = {}
    result: str = ""
    """What the tool answered, cut; JSON text. It stands in for no audit entry."""
    error: str | None = None
    """Stable reason code."""


class RequestProgress(Contract):
    """The steps of a run in their order, and the text that is being written: a model's unverified words."""

    steps: tuple[ProgressStep, ...] = ()
    text: str = ""
