"""Facts to try a guardrail on: one change that every shipped guardrail allows, and the ways in which it can be worse.

Published for guardrails of one's own: `guardrails.conformance` runs over these, and a test changes one fact at a time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts.action import ResizeNodePool
from contracts.configuration import (
    ApprovalLimits,
    Environment,
    EnvironmentApproval,
    Limits,
    RateScope,
    Target,
)
from contracts.observation import NodePoolObservation, ZoneSize
from contracts.ports import NodePrice, PolicyResult
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Draft, Planner, PlannerKind
from contracts.request import Channel, Trust
from guardrails.facts import BudgetFacts, Facts, RateFacts, WindowsFacts

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""A Saturday, noon."""
_ZONES = ("europe-west4-a", "europe-west4-b", "europe-west4-c")
_PERSON = Principal(kind=PrincipalKind.HUMAN, subject="ana", roles=(Role.REQUESTER, Role.VIEWER))
_AGENT = Principal(kind=PrincipalKind.AGENT, subject="capacity-agent")
_POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving"}


def facts(**changes: Any) -> Facts:
    """Return the facts of a resize from 2 to 4 nodes in each of 3 zones. `changes` replaces fields of `Facts`."""
    made = draft()
    key = made.action.target.key
    given: dict[str, Any] = {
        "draft": made,
        "pass_number": 1,
        "admitting": False,
        "now": NOW,
        "mode": "practice",
        "target": Target(
            kind="gke.node_pool", **_POOL, environment="production", team="inference", max_nodes_per_zone=12
        ),
        "environment": Environment(approval=EnvironmentApproval(quorum=0)),
        "limits": Limits(),
        "approval_limits": ApprovalLimits(),
        "observation": observation(),
        "policy": PolicyResult(violations=(), rules_evaluated=4, revision="sha256:1"),
        "price": NodePrice(per_hour=Decimal("0.90"), currency="USD", source="list", as_of=date(2026, 11, 1)),
        "budgets": (_budget(),),
        "windows": WindowsFacts(opens_at=NOW),
        "rates": (
            RateFacts(scope=RateScope.TARGET, key=f"target:{key}"),
            RateFacts(scope=RateScope.TENANT, key="tenant:default"),
            RateFacts(scope=RateScope.FLEET, key="fleet"),
            RateFacts(scope=RateScope.AGENT, key="agent:local/capacity-agent"),
        ),
    }
    return Facts(**(given | changes))


def draft(node_count: int = 4, **changes: Any) -> Draft:
    """Return the draft of a resize to `node_count` per zone. `changes` replaces fields of `Draft`."""
    given: dict[str, Any] = {
        "id": "prp_sample",
        "tenant": "default",
        "revision": 1,
        "authors": (_PERSON,),
        "channel": Channel.API,
        "trust": Trust.TRUSTED,
        "action": ResizeNodePool(**_POOL, node_pool="inference", node_count=node_count),
        "reason": "the queue grows",
        "planner": Planner(kind=PlannerKind.DIRECT),
        "environment": "production",
        "team": "inference",
        "mode": "practice",
        "created_at": NOW,
        "decide_by": NOW + timedelta(hours=4),
        "execute_by": NOW + timedelta(hours=5),
    }
    return Draft.model_validate(given | changes)


def observation(*sizes: int) -> NodePoolObservation:
    """Return a running pool with so many nodes in each zone; 2 in each without `sizes`."""
    return NodePoolObservation(
        taken_at=NOW,
        status="RUNNING",
        machine_type="g2-standard-8",
        zones=tuple(
            ZoneSize(zone=zone, instance_group=f"{zone}-grp", target_size=size, running=size, stable=True)
            for zone, size in zip(_ZONES, sizes or (2, 2, 2), strict=True)
        ),
        cluster_node_count=12,
    )


def samples() -> dict[str, Facts]:
    """Return facts by what they are about: larger, smaller, by an agent, right before the effect, short of money."""
    usual = facts()
    full = replace(_budget(), reserved=Decimal(40_000))
    by_agent: dict[str, Any] = {"authors": (_AGENT,), "planner": Planner(kind=PlannerKind.RULES)}
    return {
        "grows": usual,
        "grows far": facts(draft=draft(12)),
        "shrinks": facts(draft=draft(1)),
        "shrinks to nothing": facts(draft=draft(0)),
        "stays": facts(draft=draft(2)),
        "zones differ": facts(observation=observation(1, 2, 3)),
        "by an agent": facts(draft=draft(**by_agent)),
        "out of untrusted text": facts(draft=draft(trust=Trust.UNTRUSTED, **by_agent)),
        "right before the effect": replace(usual, admitting=True, pass_number=2),
        "no money left": facts(budgets=(full,)),
        "nothing known": facts(
            observation=None,
            observation_error="provider_unavailable",
            policy=None,
            policy_error="policy_unavailable",
            price=None,
            price_error="price_unknown",
            target=None,
            environment=None,
            windows=None,
            budgets=(),
        ),
    }


def _budget() -> BudgetFacts:
    return BudgetFacts(
        scope="environment=production",
        window="month:2026-11",
        currency="USD",
        ledger_currency="USD",
        limit=Decimal(40_000),
        reserved=Decimal(0),
        committed=Decimal(0),
        hours_left=Decimal(228),
    )
