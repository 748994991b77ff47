"""EXECUTION and VERIFICATION: the write-ahead intent, the receipt, and what was found afterwards."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from contracts.action import Action, ResizeNodePool
from contracts.base import Contract
from contracts.observation import AutoscalingBounds, NodePoolObservation, Precondition, ZoneSize

LATE_CALL = "late_call"
"""Reason code of a call that was made beside that of a newer attempt, or after its deadline."""
LATENESS_UNKNOWN = "lateness_unknown"
"""A newer attempt acts, and nobody can tell whether this one called beside it."""


class Step(StrEnum):
    """The effects one proposal may have, at most one of each."""

    FORWARD = "forward"
    COMPENSATION = "compensation"


def idempotency_key(proposal_id: str, revision: int, step: Step) -> str:
    """Return the key of one effect, stable across attempts, resets and new runs."""
    return f"{proposal_id}/{revision}/{step}"


def restoring(action: Action, prior: NodePoolObservation) -> Action | None:
    """Return the one call that brings the state before an action back, or None when no single call can."""
    if isinstance(action, ResizeNodePool):
        count = prior.even_node_count
        return None if count is None else action.model_copy(update={"node_count": count})
    bounds = prior.autoscaling
    if bounds is None or bounds.is_pool_wide or bounds.max_node_count < 1:
        return None
    per_zone = {"min_node_count": bounds.min_node_count, "max_node_count": bounds.max_node_count}
    return action.model_copy(update=per_zone)


class Intent(Contract):
    """Written before the call. `fence` rises with every attempt; a lower one may no longer act."""

    schema_version: Literal[1] = 1
    key: str
    proposal_id: str
    revision: int
    step: Step
    action: Action
    precondition: Precondition
    prior: NodePoolObservation
    """State to return to if the outcome is wrong."""
    fence: int
    call_deadline: datetime
    """No call of this attempt is in flight after this moment."""


class ReceiptOutcome(StrEnum):
    """What the effect activity ended with."""

    APPLIED = "applied"
    """The provider's operation ended without error."""
    NO_OP = "no_op"
    """The target already was as desired; nothing was called."""
    OPERATION_FAILED = "operation_failed"
    """The provider took the call and its operation failed, perhaps in part."""
    REFUSED = "refused"
    """The provider refused the call; nothing was changed."""


class Receipt(Contract):
    """What the provider did about an intent."""

    schema_version: Literal[1] = 1
    key: str
    proposal_id: str
    step: Step
    fence: int
    outcome: ReceiptOutcome
    operation: str | None = None
    """Provider's operation name."""
    adopted: bool = False
    """The operation was started by an earlier attempt whose answer was lost."""
    error_code: str | None = None
    mode: str
    issued_at: datetime | None = None
    finished_at: datetime


class Verification(Contract):
    """Expected against observed, from what runs. A target size that equals the request proves nothing."""

    schema_version: Literal[1] = 1
    key: str
    proposal_id: str
    step: Step
    expected: dict[str, int]
    """Zone → nodes, or `min`/`max` for bounds."""
    observed_zones: tuple[ZoneSize, ...] = ()
    observed_bounds: AutoscalingBounds | None = None
    ready_nodes: int | None = None
    """Ready nodes where the Kubernetes API is reachable."""
    matches: bool
    reason_code: str
    took_seconds: float
    at: datetime


class EffectResult(StrEnum):
    """What the execute activity tells the workflow."""

    ISSUED = "issued"
    """Receipt written: verify next."""
    NEEDS_NEW_PASS = "needs_new_pass"  # noqa: S105
    """Nothing was called; a foreign operation ran or the pass grew old."""
    CLOSED = "closed"
    """The proposal reached a final state."""
    ROLL_BACK = "roll_back"
    """A call took place and went wrong: compensate."""
