"""The ports: what the rooms on the path need from the outside world, as Protocols.

`adapters/` implements them, `bootstrap/` wires them. PostgreSQL has no port: there is one engine, and its
transactions are part of the design (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, Field, JsonValue

from contracts.action import NodePoolTarget
from contracts.base import Contract, unsaid
from contracts.decision import DecisionResult, SignedDecision
from contracts.messages import ProposalInput, RequestInput
from contracts.money import PriceKind
from contracts.observation import NodePoolObservation, ProviderOperation
from contracts.principal import GroupName, Role
from contracts.progress import RequestProgress


class NodePoolReader(Protocol):
    """Reads under a viewer identity. Every method raises `ProviderError` subclasses only."""

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        """Return the pool, its instance groups and the cluster's running operations."""
        ...

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        """Return the names of the cluster's node pools."""
        ...

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        """Return the recent operations of the target's cluster, running or done, newest first."""
        ...

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        """Return one operation by its short name."""
        ...


class NodePoolEffector(Protocol):
    """Changes node pools under the effects identity. No retries inside; Temporal retries."""

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        """Set nodes per zone; return the provider's operation name.

        Raises:
            ProviderAmbiguous: the answer was lost; the effect may have taken place.
            ProviderUnavailable, ProviderConflict, ProviderRefused: it has not.
        """
        ...

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        """Set the autoscaler's bounds per zone; return the operation name. Raises as `set_size`."""
        ...


class ReadyNodeCounter(Protocol):
    """Counts Ready nodes of a pool through the Kubernetes API."""

    async def count_ready(self, target: NodePoolTarget) -> int | None:
        """Return the count, or None when no cluster is configured for the target."""
        ...


class BlockedBudget(Contract):
    """A PodDisruptionBudget that allows no eviction now, and how many of its pods run on the pool."""

    name: str
    """`namespace/name`."""
    pods: int = Field(ge=1)


class PoolLoad(Contract):
    """What runs on a pool now. CPU in thousandths of a core, memory in bytes; both as requested by the pods."""

    ready_nodes: int = Field(ge=0)
    requested_cpu: int = Field(ge=0)
    requested_memory: int = Field(ge=0)
    cpu_per_node: int = Field(ge=0)
    """What pods can have of the smallest Ready node."""
    memory_per_node: int = Field(ge=0)
    blocked_budgets: tuple[BlockedBudget, ...] = ()

    @property
    def least_nodes(self) -> int | None:
        """Nodes below which the requests cannot fit, however they are packed; None when a node's size is unknown."""
        if self.cpu_per_node == 0 or self.memory_per_node == 0:
            return None if self.requested_cpu or self.requested_memory else 0
        by_cpu = -(-self.requested_cpu // self.cpu_per_node)
        return max(by_cpu, -(-self.requested_memory // self.memory_per_node))


class LoadReader(Protocol):
    """Reads what runs on a pool through the Kubernetes API, under a viewer identity."""

    async def read_load(self, target: NodePoolTarget) -> PoolLoad | None:
        """Return the load, or None when no cluster is configured for the target.

        Raises:
            ProviderError: a subclass.
        """
        ...


class PolicyViolation(Contract):
    """One rule that fired."""

    rule: str
    level: str
    """`advisory`, `soft` or `hard`."""
    message: str
    remedy: str | None = Field(default=None, exclude_if=unsaid)
    """What would have to change."""
    quorum: int | None = Field(default=None, ge=1, le=10, exclude_if=unsaid)
    """Of a soft rule: how many people must approve. None = one."""
    roles: tuple[Role, ...] = Field(default=(), exclude_if=unsaid)
    """Of a soft rule: which roles they must hold. Empty = an approver and an operator."""
    groups: tuple[GroupName, ...] = Field(default=(), exclude_if=unsaid)
    """Of a soft rule: groups of which a member must approve, for example `finance`."""


class PolicyResult(Contract):
    """OPA's whole answer."""

    violations: tuple[PolicyViolation, ...]
    rules_evaluated: int
    """The sentinel: an answer without it is no answer."""
    revision: str
    policies: tuple[str, ...] = Field(default=(), exclude_if=unsaid)
    """Names of those that were evaluated."""


class PolicyDescription(Contract):
    """What the author of a policy says of it: words of the `METADATA` above its package."""

    name: str = Field(min_length=1, max_length=100)
    """Of its folder, and of the rule in `PolicyViolation`."""
    title: str | None = Field(default=None, max_length=2_000)
    description: str | None = Field(default=None, max_length=2_000)
    """What it stops."""
    level: str | None = Field(default=None, max_length=2_000)
    """`advisory`, `soft` or `hard`, then words such as who lifts it. What counts is that of a violation."""
    reads: str | None = Field(default=None, max_length=2_000)
    """Names of its limits."""
    remedy: str | None = Field(default=None, max_length=2_000)


class PoliciesInForce(Contract):
    """The policies that OPA evaluates now."""

    revision: str | None
    """As `PolicyResult` has it; None: what OPA was given does not say what it is."""
    policies: tuple[PolicyDescription, ...]
    """By name; empty where the revision is None."""


class PolicyCatalogue(Protocol):
    """Tells which policies are in force, for people. Nothing is decided by it."""

    async def in_force(self) -> PoliciesInForce:
        """Return what is asked now.

        Raises:
            PolicyUnavailable: no answer, or none that can be read.
        """
        ...


class PolicyEngine(Protocol):
    """Evaluates all policies with one question."""

    async def evaluate(self, document: Mapping[str, JsonValue]) -> PolicyResult:
        """Return every violation.

        Raises:
            PolicyUnavailable: error, time-out, undefined result, or no sentinel.
        """
        ...


class NodePrice(Contract):
    """Price of one node of a pool, GPUs included."""

    per_hour: Decimal = Field(gt=0)
    currency: str
    source: str
    as_of: date
    kind: PriceKind = PriceKind.LIST
    stale_after: timedelta = timedelta(days=30)
    """Age from which the price is shown as old."""


class PriceList(Protocol):
    """List prices. Unknown is an error, never zero."""

    def node_price(self, location: str, observation: NodePoolObservation) -> NodePrice:
        """Return the price of one node of this pool.

        Raises:
            PriceUnknown: no price for the machine type or an accelerator in this region.
        """
        ...


MAX_TOKENS = 10**9
"""Tokens of one reply. More is no count, and an audit entry could not carry every larger number (RFC 8785)."""


def _is_text(value: str) -> str:
    """Refuse half a surrogate pair, which JSON can escape and nothing can keep (RFC 8259 §8.2)."""
    if not value.isascii():
        value.encode()
    return value


Words = Annotated[str, AfterValidator(_is_text)]
"""Text as a model's endpoint sends it."""


class ModelReply(Contract):
    """One answer of a chat model: text, or calls of the tools it was offered."""

    text: Words = ""
    tool_calls: tuple[ToolCall, ...] = ()
    input_tokens: int = Field(default=0, ge=0, le=MAX_TOKENS)
    output_tokens: int = Field(default=0, ge=0, le=MAX_TOKENS)
    model: Words = ""


class ToolCall(Contract):
    """A tool call as the model spelled it; `arguments` is raw JSON text, not yet believed."""

    id: Words
    name: Words
    arguments: Words


Watcher = Callable[["ModelReply"], None]
"""Is shown the unfinished reply now and then. It must not fail."""


class ChatModel(Protocol):
    """An OpenAI-compatible chat model."""

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        watch: Watcher | None = None,
    ) -> ModelReply:
        """Return the next reply. `watch` is shown what came until now, where the endpoint streams.

        Raises:
            ModelUnavailable: time-out, 429, 5xx, connection lost.
            ModelRefused: other 4xx, or an answer that is too large or not an answer.
        """
        ...


class WorkflowGateway(Protocol):
    """What API and dispatcher ask of Temporal. Every call may be repeated: ids make it harmless.

    Every method raises `WorkflowUnavailable` when Temporal does not answer in time.
    """

    async def start_request(self, start: RequestInput) -> None:
        """Start `RequestWorkflow` under the request's id; a second start changes nothing."""
        ...

    async def start_proposal(self, start: ProposalInput) -> None:
        """Start `ProposalWorkflow` under the proposal's id; a second start changes nothing."""
        ...

    async def decide(self, signed: SignedDecision) -> DecisionResult:
        """Deliver a decision as an Update whose id is the decision's, and wait for its result.

        Raises:
            DecisionNotAccepted: the validator refused it, or the workflow is over or unknown.
        """
        ...

    async def wake(self, proposal_id: str) -> None:
        """Signal the workflow that something it waits for changed; no workflow left to wake is fine."""
        ...

    async def progress_of(self, request_id: str) -> RequestProgress | None:
        """Return what a request's planner is doing; empty when its workflow has not begun or is forgotten.

        None: it cannot be told now without disturbing; ask again. For looking only, and not free: it asks a worker.
        Ask while somebody watches.
        """
        ...

    async def check(self) -> None:
        """Return when Temporal answers, for readiness."""
        ...


ModelReply.model_rebuild()
