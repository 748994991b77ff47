"""REQUEST → PROPOSAL: the one way a model's run can end, and the strict reading of it.

Nothing is repaired: what is not exactly an outcome with actions of the catalogue becomes a refusal with a reason.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agents.capacity.tools.tool import describe, wire_schema
from contracts.action import ACTION_KINDS, Action
from contracts.progress import MAX_PROGRESS_TEXT
from contracts.request import Answered, Asked, Proposed, ProposedAction, Refused, RequestOutcome

FINISH = "finish"
MAX_FINISH = 16_000
"""Characters of the arguments of `finish`."""

OUTPUT_INVALID = "model_output_invalid"
NOT_IN_CATALOGUE = "action_not_in_catalogue"
REFUSED_BY_MODEL = "refused_by_planner"

_Text = Annotated[str, Field(min_length=1, max_length=4_000)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FinishAction(_Shape):
    """One proposed action."""

    action: Action
    rationale: _Text
    confidence: float = Field(strict=True, ge=0, le=1)
    evidence: tuple[Annotated[str, Field(max_length=400)], ...] = Field(default=(), max_length=20)


class Finish(_Shape):
    """End the run. `actions` is filled when the outcome is `proposed`, and empty otherwise."""

    outcome: Literal["answered", "asked", "refused", "proposed"]
    text: _Text = Field(description="One to three sentences for the person who asked.")
    actions: tuple[FinishAction, ...] = Field(default=(), max_length=5)


_FINISH: TypeAdapter[Finish] = TypeAdapter(Finish)


def finish_schema() -> dict[str, Any]:
    """Return `finish` as a function tool of the chat API."""
    return wire_schema(FINISH, Finish.__doc__ or "", Finish)


def read_finish(arguments: str) -> RequestOutcome:
    """Return the outcome that the arguments of `finish` spell, or the refusal they deserve."""
    if len(arguments) > MAX_FINISH:
        return _invalid("its answer is too long")
    try:
        raw = pydantic_core.from_json(arguments, allow_inf_nan=False)
        json.loads(arguments, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return _invalid("its answer is not JSON that has one reading")
    unknown = _unknown_kind(raw)
    if unknown:
        text = "The model proposed an action that is not in the catalogue. Nothing was proposed."
        return Refused(text=text, reason_code=NOT_IN_CATALOGUE)
    try:
        finish = _FINISH.validate_python(raw)
    except ValidationError as error:
        return _invalid(describe(error))
    return _outcome(finish)


def text_so_far(arguments: str) -> str:
    """Return what an unfinished call of `finish` says to the person, for looking only; empty while it says nothing."""
    try:
        raw = pydantic_core.from_json(arguments[:MAX_FINISH], allow_partial="trailing-strings")
    except ValueError:
        return ""
    text = raw.get("text") if isinstance(raw, dict) else None
    return text[:MAX_PROGRESS_TEXT] if isinstance(text, str) else ""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object that names a key twice: whoever reads the same text elsewhere may take the other value."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")


def _outcome(finish: Finish) -> RequestOutcome:
    if (finish.outcome == "proposed") != bool(finish.actions):
        return _invalid("its outcome and its actions contradict each other")
    if finish.outcome == "answered":
        return Answered(text=finish.text)
    if finish.outcome == "asked":
        return Asked(text=finish.text)
    if finish.outcome == "refused":
        return Refused(text=finish.text, reason_code=REFUSED_BY_MODEL)
    actions = tuple(
        ProposedAction(
            action=one.action, rationale=one.rationale, confidence=one.confidence, evidence=one.evidence
        )
        for one in finish.actions
    )
    return Proposed(text=finish.text, actions=actions)


def _unknown_kind(raw: Any) -> bool:
    """Tell whether any proposed action names a kind that the catalogue does not have."""
    actions = raw.get("actions") if isinstance(raw, dict) else None
    if not isinstance(actions, list):
        return False
    named = [one.get("action") for one in actions if isinstance(one, dict)]
    return any(isinstance(action, dict) and action.get("kind") not in ACTION_KINDS for action in named)


def _invalid(why: str) -> Refused:
    text = f"The model's answer could not be used: {why}. Nothing was proposed."
    return Refused(text=text, reason_code=OUTPUT_INVALID)
