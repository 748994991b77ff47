"""Facts for guardrail tests: one change that every guardrail allows, to be made worse one fact at a time."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from contracts.action import SetNodePoolAutoscaling
from contracts.configuration import (
    ApprovalLimits,
    Environment,
    EnvironmentApproval,
    Limits,
    RateScope,
    Target,
)
from contracts.observation import AutoscalingBounds, NodePoolObservation
from contracts.ports import NodePrice, PolicyResult
from contracts.proposal import Draft
from guardrails.facts import BudgetFacts, Facts, RateFacts, WindowsFacts
from tests.contracts.samples import NOON, observation, proposal, resize

TARGET = Target(
    kind="gke.node_pool",
    project="acme-prod",
    location="europe-west4",
    cluster="serving",
    environment="production",
    team="inference",
    max_nodes_per_zone=12,
)
KEY = resize().target.key
DOMAIN = resize().target.serialisation_domain
PRICE = NodePrice(per_hour=Decimal("0.90"), currency="USD", source="list", as_of=date(2026, 11, 1))
BUDGET = BudgetFacts(
    scope="environment=production",
    window="month:2026-11",
    currency="USD",
    ledger_currency="USD",
    limit=Decimal(40_000),
    reserved=Decimal(0),
    committed=Decimal(0),
    hours_left=Decimal(228),
)


RATES = (
    RateFacts(scope=RateScope.TARGET, key=f"target:{KEY}"),
    RateFacts(scope=RateScope.TENANT, key="tenant:default"),
    RateFacts(scope=RateScope.FLEET, key="fleet"),
    RateFacts(scope=RateScope.AGENT, key="agent:local/capacity-agent"),
)


def draft(**changes: object) -> Draft:
    made = proposal(**changes)
    return Draft.model_validate(made.model_dump(exclude={"observation", "precondition"}))


def bounds(minimum: int = 1, maximum: int = 4) -> SetNodePoolAutoscaling:
    fields = resize().model_dump(exclude={"kind", "node_count"})
    return SetNodePoolAutoscaling(**fields, min_node_count=minimum, max_node_count=maximum)


def autoscaled(minimum: int = 1, maximum: int = 2) -> NodePoolObservation:
    limits = AutoscalingBounds(min_node_count=minimum, max_node_count=maximum)
    return observation().model_copy(update={"autoscaling": limits})


def facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "draft": draft(),
        "pass_number": 1,
        "admitting": False,
        "now": NOON,
        "mode": "practice",
        "target": TARGET,
        "environment": Environment(approval=EnvironmentApproval(quorum=0)),
        "limits": Limits(),
        "approval_limits": ApprovalLimits(),
        "observation": observation(),
        "policy": PolicyResult(violations=(), rules_evaluated=4, revision="sha256:1"),
        "price": PRICE,
        "budgets": (BUDGET,),
        "windows": WindowsFacts(opens_at=NOON),
        "rates": RATES,
    }
    return Facts(**(given | changes))
