"""REQUEST → PROPOSAL: what travels between the nodes of the graph. Plain JSON only.

The plugin sends activity arguments untyped, so nouns are dumped on the way out and validated on the way in.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypedDict

from contracts.request import AgentStep, Request

Route = Literal["plan", "read", "rules", "end"]
"""The node that runs next."""


class AgentState(TypedDict):
    """The whole state. Nodes return only what changes; `messages` and `steps` are appended to."""

    request: dict[str, Any]
    """`contracts.request.Request` as JSON."""
    step: int
    """Model calls so far. It differs on every visit of a node, which also defeats the plugin's memoisation."""
    messages: Annotated[list[dict[str, Any]], operator.add]
    """Conversation in OpenAI's wire format."""
    pending: list[dict[str, Any]]
    """Tool calls the model asked for: `contracts.ports.ToolCall` as JSON."""
    steps: Annotated[list[dict[str, Any]], operator.add]
    """`contracts.request.AgentStep` as JSON, kept for audit."""
    route: Route
    fallback: str
    """Reason code why the rules planner answers; empty while the model does."""
    result: dict[str, Any] | None
    """`contracts.messages.AgentResult` as JSON, once there is one. Its steps are in `steps`."""


def unanswered(reason_code: str, model: str = "model") -> AgentStep:
    """Return the step of a call of the model that came to nothing, for audit and for the model's breaker."""
    return AgentStep(kind="model", name=model, error=reason_code)


def initial_state(
    request: Request, *, route: Route = "plan", fallback: str = "", steps: Sequence[AgentStep] = ()
) -> AgentState:
    """Return the state a run begins with."""
    return AgentState(
        request=request.model_dump(mode="json"),
        step=0,
        messages=[],
        pending=[],
        steps=[step.model_dump(mode="json") for step in steps],
        route=route,
        fallback=fallback,
        result=None,
    )
