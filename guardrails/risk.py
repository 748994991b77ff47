"""VERDICT: how much a wrong change would hurt. Pure: typed facts in, `Risk` out, no word of an agent read.

| fact | at least |
|---|---|
| not observed, or its cost is not known | high |
| cannot be taken back by one call | high |
| leaves no node, or in production fewer than half | high |
| more than half of the cluster changes | high |
| in production, more than doubles the pool | high |
| in production, asked for by untrusted text | high |
| adds more per month than `HIGH_MONTHLY_DELTA`, or than the configuration's own threshold | high |
| production | medium |
| asked for by untrusted text | medium |
| leaves fewer than half of the nodes | medium |
| more than half of the pool, or a quarter of the cluster, changes | medium |
| adds more than `MEDIUM_MONTHLY_DELTA` per month | medium |
| none of these | low |

The tier is the worst line that holds, so one more such fact never lowers it. It is fixed by the first pass
(`proposals.risk`), decides nothing by itself, and tells a reviewer how closely to look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from contracts.evaluation import CostEstimate, RiskTier
from contracts.observation import NodePoolObservation
from contracts.proposal import Draft
from contracts.request import Trust
from guardrails.blast_radius.decision import share_of_cluster, share_of_pool
from guardrails.change import change_of

MEDIUM_MONTHLY_DELTA = Decimal(1_000)
HIGH_MONTHLY_DELTA = Decimal(10_000)
"""Per month of 730 hours, in the currency of the price list."""
MEDIUM_SHARE_OF_POOL = 0.5
HIGH_SHARE_OF_POOL = 1.0
MEDIUM_SHARE_OF_CLUSTER = 0.25
HIGH_SHARE_OF_CLUSTER = 0.5
LEAST_LEFT = 0.5
"""Share of its nodes below which a pool that shrinks counts as cut down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFacts:
    """What the tier depends on, and nothing else."""

    production: bool
    untrusted: bool
    """Its request stems from text that anybody may have written."""
    observed: bool
    """False: the numbers of the change below are not known and not read."""
    reversible: bool = False
    share_of_pool: float = 0.0
    share_of_cluster: float | None = None
    nodes_before: int = 0
    nodes_after: int = 0
    monthly_delta: Decimal | None = None
    monthly_threshold: Decimal | None = None
    """`approval.max_monthly_delta` of the configuration."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A tier, and in plain sentences what made it so, worst first. A low one has no reason."""

    tier: RiskTier
    reasons: tuple[str, ...] = ()

    def at_least(self, tier: RiskTier, reason: str) -> Risk:
        """Return this risk, raised to `tier` for `reason` where it is lower."""
        if tier.severity <= self.tier.severity:
            return self
        return Risk(tier, (reason, *self.reasons))


def risk_of(facts: RiskFacts) -> Risk:
    """Return the tier of a change. What is not known counts as high; production is never low."""
    found = sorted(_found(facts), key=lambda one: -one[0].severity)
    if not found:
        return Risk(RiskTier.LOW)
    return Risk(found[0][0], tuple(reason for _, reason in found))


def risk_facts_of(
    draft: Draft,
    seen: NodePoolObservation | None,
    cost: CostEstimate | None,
    *,
    production: bool,
    monthly_threshold: Decimal | None,
) -> RiskFacts:
    """Return the facts of a draft as it was observed and priced."""
    untrusted = draft.trust is Trust.UNTRUSTED
    if seen is None or not seen.zones:
        return RiskFacts(production=production, untrusted=untrusted, observed=False)
    change = change_of(draft.action, seen)
    return RiskFacts(
        production=production,
        untrusted=untrusted,
        observed=True,
        reversible=change.is_reversible or change.is_no_op,
        share_of_pool=share_of_pool(change),
        share_of_cluster=share_of_cluster(change, seen),
        nodes_before=change.nodes_before,
        nodes_after=change.nodes_after,
        monthly_delta=cost.monthly_delta if cost else None,
        monthly_threshold=monthly_threshold,
    )


def _found(facts: RiskFacts) -> Iterator[tuple[RiskTier, str]]:
    if facts.production:
        yield RiskTier.MEDIUM, "It is production."
    if facts.untrusted:
        tier = RiskTier.HIGH if facts.production else RiskTier.MEDIUM
        yield tier, "It stems from text that anybody may have written."
    if not facts.observed:
        yield RiskTier.HIGH, "The provider did not report what would change."
        return
    if not facts.reversible:
        yield RiskTier.HIGH, "No single call can take it back."
    yield from _shrinking(facts)
    yield from _spread(facts)
    yield from _money(facts)


def _shrinking(facts: RiskFacts) -> Iterator[tuple[RiskTier, str]]:
    if facts.nodes_after >= facts.nodes_before:
        return
    if facts.nodes_after == 0:
        yield RiskTier.HIGH, "It leaves no node."
    elif facts.nodes_after < LEAST_LEFT * facts.nodes_before:
        tier = RiskTier.HIGH if facts.production else RiskTier.MEDIUM
        yield tier, f"It leaves {facts.nodes_after} of {facts.nodes_before} nodes, fewer than half."


def _spread(facts: RiskFacts) -> Iterator[tuple[RiskTier, str]]:
    pool, cluster = facts.share_of_pool, facts.share_of_cluster or 0.0
    if pool > MEDIUM_SHARE_OF_POOL:
        is_high = facts.production and pool > HIGH_SHARE_OF_POOL
        yield (RiskTier.HIGH if is_high else RiskTier.MEDIUM), f"It changes {pool:.0%} of the pool at once."
    if cluster > MEDIUM_SHARE_OF_CLUSTER:
        is_high = cluster > HIGH_SHARE_OF_CLUSTER
        yield (RiskTier.HIGH if is_high else RiskTier.MEDIUM), f"It changes {cluster:.0%} of the cluster."


def _money(facts: RiskFacts) -> Iterator[tuple[RiskTier, str]]:
    delta, threshold = facts.monthly_delta, facts.monthly_threshold
    if delta is None:
        yield RiskTier.HIGH, "What it costs is not known."
        return
    if delta > HIGH_MONTHLY_DELTA or (threshold is not None and delta > max(threshold, Decimal(0))):
        yield RiskTier.HIGH, f"It adds {delta:,.2f} per month."
    elif delta > MEDIUM_MONTHLY_DELTA:
        yield RiskTier.MEDIUM, f"It adds {delta:,.2f} per month."
