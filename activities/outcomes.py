"""What circuit breakers learn from a proposal's end, and from what people make of it. Pure.

Only what an effect came to counts against target, kind and provider. A denial, an expiry or a stale target says
nothing about them, and an end at which nobody looked says nothing about anybody. An agent is judged by how its
proposals end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from adapters.store.breakers import breaker_ids
from contracts.circuit_breaker import (
    UNREACHABLE,
    UNSEEN,
    BreakerScope,
    Measure,
    Outcome,
    agent_breaker,
    scope_of,
)
from contracts.decision import DecisionKind
from contracts.proposal import Draft, ProposalState

OVERRIDDEN = "overridden"
AGREED = "agreed"
_TAKEN_BACK = (ProposalState.ROLLED_BACK, ProposalState.DIRTY)


def effect_outcomes(row: Row[Any], state: ProposalState, reason_code: str) -> tuple[Outcome, ...]:
    """Return what the end of an effect says about each breaker that the proposal went through, in lock order.

    `row` is how the proposal stands before it ends there: the reason why it was being rolled back is on it.
    """
    agent = Draft.model_validate(row.draft).agent
    counted = _failure(row, state, reason_code) or reason_code
    return tuple(
        Outcome(one, _went_well(scope_of(one), state, counted), counted, owner=row.id)
        for one in breaker_ids(row.target_key, row.action_kind, agent)
    )


def _failure(row: Row[Any], state: ProposalState, reason_code: str) -> str | None:
    """Why the effect was being taken back, where the end tells less: the way back was verified, or nobody looked."""
    tells_less = state is ProposalState.ROLLED_BACK or reason_code in UNSEEN
    return row.reason_code if tells_less and row.state == ProposalState.ROLLING_BACK else None


def _went_well(scope: BreakerScope, state: ProposalState, reason_code: str) -> bool | None:
    if reason_code in UNSEEN:
        return None
    if scope is BreakerScope.PROVIDER:
        # A provider that refuses has answered.
        return reason_code not in UNREACHABLE
    succeeded = state is ProposalState.SUCCEEDED
    if scope is BreakerScope.AGENT and not succeeded and state not in _TAKEN_BACK:
        return None
    return succeeded


def review_outcomes(row: Row[Any], kind: DecisionKind) -> tuple[Outcome, ...]:
    """Return what people's word on a proposal says about the agent that made it; nothing where people made it."""
    agent = Draft.model_validate(row.draft).agent
    if agent is None:
        return ()
    agreed = kind is DecisionKind.APPROVE
    code = AGREED if agreed else OVERRIDDEN
    return (Outcome(agent_breaker(agent), agreed, code, owner=row.id, measure=Measure.REVIEW),)
