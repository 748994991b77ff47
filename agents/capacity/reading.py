"""REQUEST → PROPOSAL: the graph's `read` node runs the tools the model asked for, under a viewer identity."""

from __future__ import annotations

from typing import Any

from agents.capacity.state import AgentState
from agents.capacity.tools.catalogue import TOOLS
from agents.capacity.tools.tool import Evidence, answer, shown_arguments
from agents.heartbeat import heartbeating
from contracts.ports import ToolCall
from contracts.request import AgentStep


class ToolReading:
    """Answers pending tool calls. Its process can read the provider and the database, and holds no model key."""

    def __init__(self, evidence: Evidence) -> None:
        """`evidence` is what the tools read from."""
        self._evidence = evidence

    @heartbeating
    async def read(self, state: AgentState) -> dict[str, Any]:
        """Return one tool message and one audit step per pending call, in the model's order."""
        messages: list[dict[str, Any]] = []
        steps: list[dict[str, Any]] = []
        for raw in state["pending"]:
            call = ToolCall.model_validate(raw)
            answered = await answer(TOOLS.get(call.name), call, self._evidence)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": answered.content})
            step = AgentStep(
                kind="tool", name=call.name, arguments=shown_arguments(call.arguments), error=answered.error
            )
            steps.append(step.model_dump(mode="json"))
        return {"messages": messages, "steps": steps, "pending": [], "route": "plan"}
