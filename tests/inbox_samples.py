"""Proposals as the inbox finds them: what guard passes and people leave behind, written straight into the store."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.store import decisions, proposals
from adapters.store.database import Database
from contracts.action import ResizeNodePool
from contracts.base import new_id, utc_now
from contracts.decision import Decision, DecisionKind, SignedDecision
from contracts.evaluation import ApprovalRequirement, Evaluation, Outcome, RiskTier, Verdict
from contracts.observation import NodePoolObservation, SizesPrecondition
from contracts.principal import SYSTEM, Principal, Role
from contracts.proposal import Proposal, ProposalState
from tests.adapters.store.samples import draft_of, fresh_proposal
from tests.api.serving import evaluation, observation
from tests.contracts.samples import BEN
from tests.stored_evaluations import keep

GUARDRAILS = ("scope", "halt", "policy", "blast_radius", "rate", "circuit_breaker", "budget", "approval_rule")
ASKING = {"approval_rule": Outcome.REQUIRE_APPROVAL}


def dev_pool(name: str, node_count: int = 2) -> ResizeNodePool:
    """A small change in development."""
    return ResizeNodePool(
        project="acme-dev", location="us-central1", cluster="dev", node_pool=name, node_count=node_count
    )


def judged(
    proposal: Proposal,
    *,
    monthly: str = "2744.80",
    quorum: int = 1,
    roles: tuple[Role, ...] = (Role.APPROVER,),
    excluded: tuple[str, ...] = (),
    outcomes: Mapping[str, Outcome] = ASKING,
) -> Evaluation:
    """What a first pass said: every guardrail allows but those in `outcomes`."""
    found = evaluation(proposal)
    requirement = ApprovalRequirement(
        quorum=quorum, roles=roles, rules=("approval_rule.environment",), excluded=excluded
    )
    assert found.cost is not None
    verdicts = tuple(
        Verdict(
            guardrail=name,
            outcome=outcomes.get(name, Outcome.ALLOW),
            rule="rule",
            reason_code="ok" if name not in outcomes else "environment_requires_approval",
            message=f"{name} says so.",
            requirement=requirement if outcomes.get(name) is Outcome.REQUIRE_APPROVAL else None,
        )
        for name in GUARDRAILS
    )
    return found.model_copy(
        update={
            "verdicts": verdicts,
            "requirement": requirement,
            "outcome": max(outcomes.values(), key=lambda one: one.severity, default=Outcome.ALLOW),
            "cost": found.cost.model_copy(update={"monthly_delta": Decimal(monthly)}),
        }
    )


async def waiting(
    database: Database,
    *,
    risk: RiskTier = RiskTier.MEDIUM,
    sizes: tuple[int, ...] = (),
    to: ProposalState = ProposalState.AWAITING_APPROVAL,
    judgement: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Proposal:
    """Store a proposal that waits for approval, or was moved `to` another state by its first pass."""
    made = fresh_proposal(**changes)
    if sizes:
        made = observed(made, sizes)
    found = judged(made, **(judgement or {}))
    async with database.transaction() as connection:
        await proposals.create(connection, draft_of(made))
        await keep(connection, found)
        row = await proposals.lock(connection, made.id)
        await proposals.move(
            connection,
            row,
            to,
            actor=SYSTEM,
            reason_code="environment_requires_approval",
            proposal=made,
            risk=risk,
        )
    return made


def observed(made: Proposal, sizes: tuple[int, ...]) -> Proposal:
    """Return the proposal over a pool of these zone sizes."""
    seen: NodePoolObservation = observation(made.created_at, sizes)
    precondition = SizesPrecondition(machine_type=seen.machine_type, target_sizes=seen.target_sizes)
    return made.model_copy(update={"observation": seen, "precondition": precondition})


async def vote(
    database: Database, made: Proposal, by: Principal = BEN, kind: DecisionKind = DecisionKind.APPROVE
) -> None:
    """Record somebody's decision. Its signature is none: only lists look at it."""
    decision = Decision(
        id=new_id("dec"),
        tenant=made.tenant,
        proposal_id=made.id,
        revision=1,
        kind=kind,
        reviewer=by,
        proposal_digest=made.digest,
        evaluation_digest="",
        at=utc_now(),
        key_id="k",
    )
    async with database.transaction() as connection:
        await decisions.record(connection, SignedDecision(decision=decision, signature="s"), by)


async def move(database: Database, made: Proposal, *states: ProposalState) -> None:
    """Move along the state table, as activities do."""
    for state in states:
        async with database.transaction() as connection:
            row = await proposals.lock(connection, made.id)
            await proposals.move(connection, row, state, actor=SYSTEM, reason_code="test")
