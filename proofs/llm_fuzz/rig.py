"""The real way of a model's output: assembly, planner, tools, drafts, and the guardrail that knows the limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai.types.chat import ChatCompletionChunk
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.request.drafts import draft_of
from adapters.llm.assembly import ReplyAssembly
from adapters.store.database import Database
from agents.capacity.reading import ToolReading
from agents.capacity.state import AgentState, initial_state
from agents.capacity.tools.tool import Evidence
from agents.planners.openai import ModelOptions, OpenAIPlanner
from contracts.action import NodePoolTarget, ResizeNodePool
from contracts.configuration import ApprovalLimits, Limits
from contracts.errors import PriceUnknown, ProviderUnavailable, StoreUnavailable
from contracts.evaluation import Verdict
from contracts.messages import AgentResult
from contracts.observation import AutoscalingBounds, NodePoolObservation, ProviderOperation, ZoneSize
from contracts.ports import ModelReply, NodePrice, Watcher
from contracts.proposal import Draft
from contracts.request import Proposed
from guardrails.facts import Facts
from guardrails.scope.decision import decide
from proofs.llm_fuzz.ground import CONFIGURATION, NOW, REQUEST

MODEL = "fuzzed-1"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one output."""

    update: dict[str, Any]
    """What the graph's `plan` node returned, and its `read` node where that ran."""
    result: AgentResult | None
    """None: the run goes on with reads."""
    drafts: tuple[tuple[Draft, Verdict], ...]
    """Proposals it would become, each with what the guardrail scope says."""
    read: tuple[str, ...]
    """Keys of targets and clusters that the provider was asked about."""


class Rig:
    """One process' planner and tools, fed with outputs one by one."""

    def __init__(self) -> None:
        self._model = _Says()
        self._reader = _Watched()
        evidence = Evidence(self._reader, _NoDatabase(), CONFIGURATION, _NoPrices())
        self._planner = OpenAIPlanner(self._model, ModelOptions(MODEL, max_steps=8))
        self._reading = ToolReading(evidence)
        self._state = initial_state(REQUEST)
        self._state["messages"] = [{"role": "system", "content": "begun"}]

    async def take(self, reply: ModelReply) -> Taken:
        """Let the planner judge a reply; run its reads, or draft and judge its proposals."""
        self._model.reply = reply
        self._reader.asked.clear()
        update: dict[str, Any] = await self._planner.plan(self._state)
        if update["route"] == "read":
            pending = AgentState(**{**self._state, "pending": update["pending"]})
            update["read"] = await self._reading.read(pending)
            return Taken(update, None, (), tuple(self._reader.asked))
        result = AgentResult.model_validate(update["result"])
        return Taken(update, result, tuple(_drafts(result)), tuple(self._reader.asked))


def assembled(chunks: Iterable[Mapping[str, Any]]) -> ModelReply:
    """Return the reply that a stream comes to, looked at after every chunk as somebody who watches does.

    Raises:
        ModelRefused, ModelUnavailable: it comes to none.
    """
    assembly = ReplyAssembly(256 * 1024)
    for chunk in chunks:
        assembly.add(ChatCompletionChunk.construct(**chunk))
        assembly.so_far()
    return assembly.whole()


def _drafts(result: AgentResult) -> list[tuple[Draft, Verdict]]:
    if not isinstance(result.outcome, Proposed):
        return []
    drafts = [
        draft_of(REQUEST, index, one, result.planner, configuration=CONFIGURATION, mode="practice", now=NOW)
        for index, one in enumerate(result.outcome.actions)
    ]
    return [(one, decide(_facts(one))) for one in drafts]


def _facts(draft: Draft) -> Facts:
    is_fixed = isinstance(draft.action, ResizeNodePool)
    return Facts(
        draft=draft,
        pass_number=1,
        admitting=False,
        now=NOW,
        mode="practice",
        target=CONFIGURATION.registered(draft.action.target),
        environment=CONFIGURATION.environments["production"],
        limits=_LIMITS,
        approval_limits=_APPROVAL_LIMITS,
        observation=_OBSERVED if is_fixed else _AUTOSCALED,
        rates=(),
    )


_OBSERVED = NodePoolObservation(
    taken_at=NOW,
    status="RUNNING",
    machine_type="g2-standard-8",
    zones=(ZoneSize(zone="europe-west4-a", instance_group="a", target_size=2, running=2, stable=True),),
    cluster_node_count=2,
)
_AUTOSCALED = _OBSERVED.model_copy(
    update={"autoscaling": AutoscalingBounds(min_node_count=1, max_node_count=3)}
)
_LIMITS, _APPROVAL_LIMITS = Limits(), ApprovalLimits()


@dataclass
class _Says:
    """A model that says what it is told to."""

    reply: ModelReply = field(default_factory=ModelReply)

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        watch: Watcher | None = None,
    ) -> ModelReply:
        if watch is not None:
            watch(self.reply)
        return self.reply


@dataclass
class _Watched:
    """Notes what the provider is asked about, and answers alike for everything."""

    asked: list[str] = field(default_factory=list)

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        self.asked.append(target.cluster_name)
        return _OBSERVED

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        self.asked.append(f"projects/{project}/locations/{location}/clusters/{cluster}")
        return ["inference", "batch"]

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        self.asked.append(target.cluster_name)
        return []

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        raise ProviderUnavailable("no tool asks for one operation")


class _NoPrices:
    def node_price(self, location: str, observation: NodePoolObservation) -> NodePrice:
        raise PriceUnknown("not told here")


class _NoDatabase(Database):
    """Every read of ours fails: what it would say is no part of this proof."""

    def __init__(self) -> None:
        """Open nothing."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        raise StoreUnavailable("no database here")
        yield  # makes it a generator
