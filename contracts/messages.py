"""What travels between API, workflows and activities: names, queues, inputs and results. Pure data.

Workflow histories hold these and nothing larger: ids, digests, states. Documents stay in the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from contracts.action import Action, ResizeNodePool
from contracts.base import Contract, unsaid
from contracts.decision import DecisionRules, SignedDecision
from contracts.effect import EffectResult, Step
from contracts.principal import Principal
from contracts.proposal import Draft, Planner, ProposalState
from contracts.request import AgentStep, Request, RequestOutcome, RequestStatus

QUEUE_MAIN = "sluice-main"
"""Workflows, guards, approval, read-only agent tools."""
QUEUE_AGENT = "sluice-agent"
"""Model calls; its process holds the model's key and nothing else."""
QUEUE_EFFECTS = "sluice-effects"
"""Execution and verification; its process holds the provider's credentials."""

REQUEST_WORKFLOW = "RequestWorkflow"
PROPOSAL_WORKFLOW = "ProposalWorkflow"
FLEET_WORKFLOW = "FleetWorkflow"
FLEET_SCHEDULE = "sluice-fleet"
"""Temporal Schedule that starts `FleetWorkflow`; one per namespace."""
HOUSEKEEPING_WORKFLOW = "HousekeepingWorkflow"
HOUSEKEEPING_SCHEDULE = "sluice-housekeeping"
"""Temporal Schedule that starts `HousekeepingWorkflow`; one per namespace."""
DECIDE_UPDATE = "decide"
DECIDE_SIGNAL = "decide_later"
WAKE_SIGNAL = "wake"
PROGRESS_QUERY = "progress"

SEARCH_ATTRIBUTES = ("SluiceTenant", "SluiceKind", "SluiceTarget", "SluiceRequester")
"""Keyword search attributes, set at start only."""
_MAX_KEYWORD = 255
"""Characters of a keyword in Temporal's SQL visibility stores."""


def request_workflow_id(request_id: str) -> str:
    """Return the Temporal workflow id of a request."""
    return f"request/{request_id}"


def proposal_workflow_id(proposal_id: str) -> str:
    """Return the Temporal workflow id of a proposal."""
    return f"proposal/{proposal_id}"


def _found_by(tenant: str, kind: str, target: str | None, requester: str) -> dict[str, str]:
    named = zip(SEARCH_ATTRIBUTES, (tenant, kind, target, requester), strict=True)
    return {name: value[:_MAX_KEYWORD] for name, value in named if value is not None}


def summary_of(action: Action) -> str:
    """Return an action in one line, for example `resize acme-prod/serving/inference to 4 per zone`."""
    named = f"{action.verb} {action.project}/{action.cluster}/{action.node_pool}"
    if isinstance(action, ResizeNodePool):
        return f"{named} to {action.node_count} per zone"
    return f"{named} to {action.min_node_count}-{action.max_node_count} per zone"


class ProposalInput(Contract):
    """Input of `ProposalWorkflow`. The row exists already, in state `evaluating`."""

    proposal_id: str
    tenant: str
    revision: int
    action_kind: str
    target_key: str
    requester: str
    """`issuer/subject`, for the search attribute."""
    summary: str
    """One line for the Temporal UI, for example `resize acme-prod/serving/inference to 4 per zone`."""
    priority: int = 3
    public_keys: dict[str, str]
    """Key id → base64 raw Ed25519 public key; the validator checks signatures with these."""
    passes: int = 0
    """Guard passes already run: above zero only after a continue-as-new of a long hold."""

    @classmethod
    def of(cls, action: Action, requester: Principal, **known: Any) -> Self:
        """Return the input that starts the workflow of a stored proposal; `known` are its other fields."""
        return cls(
            action_kind=action.kind,
            target_key=action.target.key,
            requester=requester.spelled,
            summary=summary_of(action),
            **known,
        )

    @classmethod
    def for_draft(cls, draft: Draft, public_keys: Mapping[str, str]) -> Self:
        """Return the input that starts the workflow of a stored draft."""
        return cls.of(
            draft.action,
            draft.requester,
            proposal_id=draft.id,
            tenant=draft.tenant,
            revision=draft.revision,
            priority=draft.priority,
            public_keys=dict(public_keys),
        )

    @property
    def search_attributes(self) -> dict[str, str]:
        """What its workflow is found by."""
        return _found_by(self.tenant, self.action_kind, self.target_key, self.requester)


class RequestInput(Contract):
    """Input of `RequestWorkflow`. The row exists already, in state `received`."""

    request: Request
    public_keys: dict[str, str]

    @property
    def search_attributes(self) -> dict[str, str]:
        """What its workflow is found by."""
        return _found_by(self.request.tenant, "request", None, self.request.requester.spelled)


class PlanningInput(Contract):
    """Input of `mark_request_planning`."""

    request_id: str


class PassInput(Contract):
    """Input of `check_proposal` (pass 1) and `admit_proposal` (pass 2 and later)."""

    proposal_id: str
    revision: int
    pass_number: int


class PassResult(Contract):
    """Where the proposal stands after a pass."""

    state: ProposalState
    """`awaiting_approval`, `ready` or a final one."""
    admitted: bool = False
    """True only after an admitting pass: the lease is ours, execute next."""
    held_on: str | None = None
    """Key of what holds a `ready` proposal."""
    rules: DecisionRules | None = None
    """Set when `awaiting_approval`."""
    execute_by: datetime
    reason_code: str


class CloseInput(Contract):
    """Input of `close_proposal`: a move that needs no guardrail. `denied` is for a guard pass that failed for good."""

    proposal_id: str
    revision: int
    state: Literal[ProposalState.EXPIRED, ProposalState.DENIED]
    reason_code: str
    only_from: ProposalState | None = None
    """Leave the proposal be in any other state. None: close it from any state before execution."""


class StandingInput(Contract):
    """Input of `read_state`: the question where a proposal stands by now."""

    proposal_id: str


class Standing(Contract):
    """Where a proposal stands in the database. Result of `read_state`, `close_proposal` and of the workflow."""

    state: ProposalState
    revision: int
    reason_code: str
    summary: str | None = Field(default=None, exclude_if=unsaid)
    """One line on what the present revision asks for; None: what the workflow was started with, nobody edited it."""


class DecisionInput(Contract):
    """Input of `record_decision`, after the validator let it through."""

    signed: SignedDecision


class RefusalInput(Contract):
    """Input of `record_refusal`: a decision that did not pass, for the audit log."""

    proposal_id: str
    tenant: str
    decision_id: str
    claimed_reviewer: str
    """Unproven: what the message said."""
    reason_code: str


class EffectInput(Contract):
    """Input of `execute_action` and `verify_effect`."""

    proposal_id: str
    revision: int
    step: Step
    pass_number: int


class EffectOutcome(Contract):
    """Result of `execute_action`."""

    result: EffectResult
    state: ProposalState
    reason_code: str


class VerifyOutcome(Contract):
    """Result of `verify_effect`: `succeeded`, `rolling_back`, `rolled_back` or `dirty`."""

    state: ProposalState
    reason_code: str


class AgentResult(Contract):
    """What the agent's graph returns through our port."""

    outcome: RequestOutcome
    planner: Planner
    steps: tuple[AgentStep, ...] = ()


class CloseRequestInput(Contract):
    """Input of `close_request`: the one outcome of a request."""

    request: Request
    result: AgentResult


class CreatedProposal(Contract):
    """A proposal row that `close_request` made; the workflow starts its child from it."""

    proposal_id: str
    revision: int
    action: Action
    priority: int = 3


class CloseRequestResult(Contract):
    """Result of `mark_request_planning` and `close_request`: how the request stands in the database."""

    status: RequestStatus
    proposals: tuple[CreatedProposal, ...] = ()
    model_barred: str | None = Field(default=None, exclude_if=unsaid)
    """Reason code why the rules planner is to answer instead of the model; None: the model may."""


class FleetLook(Contract):
    """Result of `observe_fleet` and of `FleetWorkflow`: counts only, the observations are in the database."""

    seen: int
    """Pools that the provider reported."""
    failed: int
    """Pools that could not be read this time; their last observation stands."""
    gone: int
    """Pools that the provider does not have any more."""


class Swept(Contract):
    """Result of `sweep` and of `HousekeepingWorkflow`: counts only."""

    done: dict[str, int]
    """Sweep → how many things it did."""
    failed: tuple[str, ...] = ()
    """Sweeps that failed this time; the next round runs them again."""
