"""What is said of a proposal in these tests: by eight guardrails before the change, by verification after it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from contracts.effect import Step, Verification, idempotency_key
from contracts.evaluation import ApprovalRequirement, BudgetLine, CostEstimate, Evaluation, Outcome, Verdict
from contracts.observation import NodePoolObservation
from contracts.proposal import Proposal
from tests.api.serving import observation

_ALLOWED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "scope": ("in_scope", "The target is registered and the action is within its bounds.", {}),
    "halt": ("no_halt", "Nothing is stopped.", {}),
    "policy": (
        "no_violation",
        "No rule objects.",
        {"bundle": "r12", "rules_evaluated": 9, "violations": []},
    ),
    "rate": ("per_hour", "1 of 30 effects this hour.", {"effects_per_hour": 30}),
    "circuit_breaker": ("closed", "Every breaker is closed.", {}),
    "blast_radius": (
        "max_share",
        "100% of the pool changes, and it can be undone.",
        {"nodes_before": 6, "nodes_after": 12, "share_of_pool": 1.0, "reversible": True},
    ),
}
_PRICE = Decimal("0.94")
"""USD per node and hour."""


def evaluation(
    proposal: Proposal, seen: NodePoolObservation, *, quorum: int, stale: bool, denied: bool
) -> Evaluation:
    requirement = ApprovalRequirement(quorum=quorum, rules=("approval_rule.environment",))
    line = _budget_line(Decimal("50812.50") if denied else Decimal("812.50"))
    quiet = [
        Verdict(
            guardrail=name,
            outcome=Outcome.ALLOW,
            rule=rule,
            reason_code="ok",
            message=told,
            facts=facts,
            rule_revision="1",
        )
        for name, (rule, told, facts) in _ALLOWED.items()
    ]
    return Evaluation(
        proposal_id=proposal.id,
        revision=proposal.revision,
        pass_number=1,
        at=proposal.created_at,
        outcome=Outcome.DENY if denied else Outcome.REQUIRE_APPROVAL,
        verdicts=(*quiet, _budget(line, denied=denied), _asking(proposal, requirement)),
        requirement=requirement,
        cost=_cost(proposal, seen, line, stale=stale),
        policy_revision="r12",
    )


def _budget_line(amount: Decimal) -> BudgetLine:
    return BudgetLine(
        scope="environment=production",
        window="month:2026-11",
        currency="USD",
        limit=Decimal(40000),
        reserved=Decimal(2100),
        committed=Decimal(18900),
        amount=amount,
        hours_left=Decimal(230),
    )


def _budget(line: BudgetLine, *, denied: bool) -> Verdict:
    return Verdict(
        guardrail="budget",
        outcome=Outcome.DENY if denied else Outcome.ALLOW,
        rule="within_budget",
        reason_code="budget_exceeded" if denied else "ok",
        message=f"It takes {line.amount} USD of {line.scope} {line.window}.",
        facts={"monthly_delta": "4117.20", "budgets": [{"scope": line.scope, "limit": "40000"}]},
        rule_revision="1",
        remedy="Ask for less, or have the budget raised." if denied else None,
    )


def _asking(proposal: Proposal, requirement: ApprovalRequirement) -> Verdict:
    people = "one person" if requirement.quorum == 1 else f"{requirement.quorum} people"
    return Verdict(
        guardrail="approval_rule",
        outcome=Outcome.REQUIRE_APPROVAL,
        rule="environment",
        reason_code="environment_requires_approval",
        message=f"Changes in {proposal.environment} need {people} to approve.",
        facts={
            "environment": proposal.environment,
            "confidence": proposal.confidence,
            "trust": proposal.trust.value,
        },
        rule_revision="1",
        requirement=requirement,
    )


def _cost(proposal: Proposal, seen: NodePoolObservation, line: BudgetLine, *, stale: bool) -> CostEstimate:
    before, after = seen.total_target, getattr(proposal.action, "node_count", 0) * len(seen.zones)
    return CostEstimate(
        currency="USD",
        machine_type=seen.machine_type,
        region="europe-west4",
        node_delta=after - before,
        price_per_node_hour=_PRICE,
        monthly_delta=(after - before) * _PRICE * 730,
        price_source="list prices",
        price_as_of=proposal.created_at.date() - timedelta(days=90 if stale else 2),
        is_stale=stale,
        lines=(line,),
    )


def verification(proposal: Proposal, step: Step, matches: bool, at: Any) -> Verification:
    wanted = 4 if step is Step.FORWARD else 2
    seen = observation(at, (wanted,) * 3 if matches else (wanted, wanted - 1, wanted)).zones
    return Verification(
        key=idempotency_key(proposal.id, 1, step),
        proposal_id=proposal.id,
        step=step,
        expected=dict.fromkeys(proposal.observation.target_sizes, wanted),
        observed_zones=seen,
        matches=matches,
        reason_code="ok" if matches else "nodes_not_running",
        took_seconds=94.0,
        at=at,
    )
