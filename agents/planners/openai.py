"""REQUEST → PROPOSAL: the planner that asks a language model. Its process holds the model's key and nothing else.

One visit of the graph's `plan` node is one call of the model: it reads (tool calls), or it ends (`finish`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from agents.capacity.finish import FINISH, OUTPUT_INVALID, finish_schema, read_finish, text_so_far
from agents.capacity.prompts import Prompt, load_prompt
from agents.capacity.state import AgentState, unanswered
from agents.capacity.tools.catalogue import TOOLS
from agents.capacity.tools.tool import MAX_ARGUMENTS
from agents.heartbeat import heartbeating, tell
from agents.planners.decision_words import DECIDES_NOTHING, sounds_like_a_decision
from agents.planners.retries import RetryBudget
from contracts.errors import ModelRefused, ModelUnavailable
from contracts.messages import AgentResult
from contracts.ports import ChatModel, ModelReply, ToolCall
from contracts.progress import MAX_PROGRESS_TEXT
from contracts.proposal import Planner, PlannerKind
from contracts.request import AgentStep, Refused, Request, RequestOutcome, Turn

MODEL_ATTEMPTS = 3
"""Calls of the model for one step, the first included, at most, before the rules planner takes over."""
MAX_CALLS_PER_STEP = 6
MAX_NAME = 64
MAX_CALL_ID = 128
NO_MODEL = "no_model_configured"
STEP_CAP_REACHED = "step_cap_reached"


@dataclass(frozen=True)
class ModelOptions:
    """How the model is used. Prices are USD per million tokens; 0 = unknown."""

    name: str
    max_steps: int
    input_price: Decimal = Decimal(0)
    output_price: Decimal = Decimal(0)

    def cost_of(self, reply: ModelReply) -> str:
        """Return the price of one reply in USD, as plain decimal text."""
        total = reply.input_tokens * self.input_price + reply.output_tokens * self.output_price
        return f"{(total / 1_000_000).normalize():f}"


class OpenAIPlanner:
    """The graph's `plan` node. Without a model it hands over to the rules planner at once."""

    def __init__(self, model: ChatModel | None, options: ModelOptions, prompt: Prompt | None = None) -> None:
        """`prompt` is the planner's newest version unless given."""
        self._model = model
        self._options = options
        self._prompt = prompt or load_prompt()
        self._tools = [tool.wire_schema() for tool in TOOLS.values()] + [finish_schema()]
        self._retries = RetryBudget()

    @heartbeating
    async def plan(self, state: AgentState) -> dict[str, Any]:
        """Ask the model once.

        Raises:
            temporalio.exceptions.ApplicationError: the model is unavailable; another attempt may help.
        """
        if self._model is None:
            return {"route": "rules", "fallback": NO_MODEL}
        step = state["step"] + 1
        if step > self._options.max_steps:
            text = f"The model did not come to an answer within {self._options.max_steps} steps."
            return self._end(step, Refused(text=text, reason_code=STEP_CAP_REACHED))
        request = Request.model_validate(state["request"])
        if request.alert is None and sounds_like_a_decision(request.text):
            return {"route": "rules", "fallback": DECIDES_NOTHING}
        opening = [] if state["messages"] else self._opening(request)
        try:
            reply = await self._model.complete([*state["messages"], *opening], self._tools, _show)
        except ModelUnavailable as error:
            return self._retry_or_hand_over(error)
        except ModelRefused as error:
            refused = Refused(text=f"Nothing was proposed: {error}.", reason_code=error.reason_code)
            return self._end(step, refused, self._model_step(None, error.reason_code))
        self._retries.answered(retried=_attempt() > 1)
        return self._judge(step, opening, reply)

    def _retry_or_hand_over(self, error: ModelUnavailable) -> dict[str, Any]:
        if _attempt() >= MODEL_ATTEMPTS or not self._retries.take():
            noted = unanswered(error.reason_code, self._options.name)
            return {
                "route": "rules",
                "fallback": error.reason_code,
                "steps": [noted.model_dump(mode="json")],
            }
        # The cause stays out: a hostile endpoint may echo our key in its error, and causes enter the history.
        raise ApplicationError(
            str(error), type=error.reason_code, next_retry_delay=error.retry_after
        ) from None

    def _opening(self, request: Request) -> list[dict[str, Any]]:
        return [
            {"role": "system", "content": self._prompt.text},
            {"role": "user", "content": present(request)},
        ]

    def _judge(self, step: int, opening: list[dict[str, Any]], reply: ModelReply) -> dict[str, Any]:
        flaw = _flaw(reply)
        noted = self._model_step(reply, OUTPUT_INVALID if flaw else None)
        if flaw:
            text = f"The model's answer could not be used: {flaw}. Nothing was proposed."
            return self._end(step, Refused(text=text, reason_code=OUTPUT_INVALID), noted)
        if reply.tool_calls[0].name == FINISH:
            return self._end(step, read_finish(reply.tool_calls[0].arguments), noted)
        return {
            "step": step,
            "messages": [*opening, _as_message(reply)],
            "pending": [call.model_dump(mode="json") for call in reply.tool_calls],
            "steps": [noted.model_dump(mode="json")],
            "route": "read",
        }

    def _model_step(self, reply: ModelReply | None, error: str | None) -> AgentStep:
        found = reply or ModelReply()
        return AgentStep(
            kind="model",
            name=self._options.name,
            input_tokens=found.input_tokens,
            output_tokens=found.output_tokens,
            cost_usd=self._options.cost_of(found),
            error=error,
        )

    def _end(self, step: int, outcome: RequestOutcome, *noted: AgentStep) -> dict[str, Any]:
        planner = Planner(
            kind=PlannerKind.OPENAI,
            model=self._options.name,
            prompt_version=self._prompt.version,
            prompt_digest=self._prompt.digest,
        )
        return {
            "step": step,
            "pending": [],
            "steps": [one.model_dump(mode="json") for one in noted],
            "route": "end",
            "result": AgentResult(outcome=outcome, planner=planner).model_dump(mode="json"),
        }


def present(request: Request) -> str:
    """Return a request as data for the model: JSON in which nothing can close the delimiter."""
    shown = {
        "channel": request.channel.value,
        "trust": request.trust.value,
        "text": request.text,
        "alert": request.alert.model_dump(mode="json") if request.alert else None,
        "received_at": request.received_at.isoformat(),
    }
    asked = _delimited("request", shown)
    if not request.earlier:
        return asked
    return f"{_delimited('earlier', [_earlier(turn) for turn in request.earlier])}\n{asked}"


def _earlier(turn: Turn) -> dict[str, Any]:
    return {"person": turn.text, "agent": turn.answer, "proposed": list(turn.proposals)}


def _delimited(name: str, document: Any) -> str:
    inner = json.dumps(document).replace("<", "\\u003c").replace(">", "\\u003e")
    return f"<{name}>\n{inner}\n</{name}>"


def _show(reply: ModelReply) -> None:
    """Let people who watch read along: the sentence of an unfinished `finish`, else free text."""
    ends = [call for call in reply.tool_calls if call.name == FINISH]
    text = text_so_far(ends[0].arguments) if ends else reply.text[:MAX_PROGRESS_TEXT]
    if text:
        tell(text)


def _flaw(reply: ModelReply) -> str | None:
    """Return what makes a reply unusable, or None."""
    calls = reply.tool_calls
    if not calls:
        return "it answered in free text instead of calling `finish`"
    if len(calls) > 1 and any(call.name == FINISH for call in calls):
        return "it ended and went on in one answer"
    if len(calls) > MAX_CALLS_PER_STEP:
        return "it asked for too many tools at once"
    if len({call.id for call in calls}) != len(calls):
        return "its tool calls share an id"
    if any(_is_oversized(call) for call in calls):
        return "a tool call is too long"
    if any(_holds_nul(call) for call in calls):
        return "a tool call holds a NUL character"
    return None


def _is_oversized(call: ToolCall) -> bool:
    if len(call.name) > MAX_NAME or not 0 < len(call.id) <= MAX_CALL_ID:
        return True
    return call.name != FINISH and len(call.arguments) > MAX_ARGUMENTS


def _holds_nul(call: ToolCall) -> bool:
    """PostgreSQL stores none, so a request with one could never be closed. JSON may spell it as an escape."""
    return "\x00" in call.id + call.name + call.arguments or "\\u0000" in call.arguments


def _as_message(reply: ModelReply) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in reply.tool_calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _attempt() -> int:
    """Return the number of this attempt. Outside of an activity nobody repeats it, so it is the last."""
    return activity.info().attempt if activity.in_activity() else MODEL_ATTEMPTS
