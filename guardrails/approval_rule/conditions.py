"""GUARDRAIL approval rule: whether the conditions of a rule hold for the facts of one pass. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from contracts.configuration.conditions import AskWhen, Conditions, PassWhen
from contracts.evaluation import RiskTier
from contracts.principal import PrincipalKind
from guardrails.budget.cost import estimate
from guardrails.facts import Facts
from guardrails.risk import risk_facts_of, risk_of

_TRUSTS_A_MAKER = frozenset({"agents", "channels", "confidence_at_least", "planner"})
"""Conditions on who made the first revision and how. They say nothing of values that somebody else put in."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The facts that conditions speak of and that have to be worked out."""

    facts: Facts
    risk: RiskTier
    monthly_delta: Decimal | None
    """None: what it costs is not known."""
    reversible: bool

    @property
    def agents(self) -> frozenset[str]:
        """Names of the agents that had a hand in it, with and without issuer."""
        agents = (one for one in self.facts.draft.authors if one.kind is PrincipalKind.AGENT)
        return frozenset(name for one in agents for name in one.names)

    @property
    def confidence(self) -> float:
        """What the agent stated; none counts as 0."""
        return self.facts.draft.confidence or 0.0


def judged(facts: Facts) -> Judged:
    """Return the facts with what follows from them."""
    cost = estimate(facts)
    known = risk_facts_of(
        facts.draft,
        facts.observation,
        cost,
        production=facts.is_production,
        monthly_threshold=facts.approval_limits.max_monthly_delta,
    )
    return Judged(
        facts=facts,
        risk=risk_of(known).tier,
        monthly_delta=cost.monthly_delta if cost else None,
        reversible=known.observed and known.reversible,
    )


def asks(when: AskWhen, known: Judged) -> bool:
    """Tell whether a rule that asks people matches. One about a channel or planner matches whatever a person edited."""
    above, below = when.monthly_delta_above, when.confidence_below
    if above is not None and known.monthly_delta is not None and known.monthly_delta <= above:
        return False
    if below is not None and (not known.agents or known.confidence >= below):
        return False
    return _hold(when, known)


def passes(when: PassWhen, known: Judged) -> bool:
    """Tell whether a rule that needs nobody matches. One that trusts a maker does not match what a person edited."""
    if known.facts.draft.revision > 1 and _TRUSTS_A_MAKER & when.model_fields_set:
        return False
    most, least = when.monthly_delta_at_most, when.confidence_at_least
    if most is not None and (known.monthly_delta is None or known.monthly_delta > most):
        return False
    if least is not None and known.agents and known.confidence < least:
        return False
    return _hold(when, known)


def _hold(when: Conditions, known: Judged) -> bool:
    facts, draft = known.facts, known.facts.draft
    edited = draft.revision > 1
    fits = (
        when.environments is None or draft.environment in when.environments,
        when.risk is None or known.risk in when.risk,
        when.action_kinds is None or draft.action.kind in when.action_kinds,
        when.trust is None or draft.trust is when.trust,
        when.channels is None or edited or draft.channel in when.channels,
        when.planner is None or edited or draft.planner.kind in when.planner,
        when.agents is None or not known.agents.isdisjoint(when.agents),
        when.teams is None or draft.team in when.teams,
        when.labels is None or _carries(facts, when.labels),
        when.production is None or facts.is_production is when.production,
    )
    return all(fits)


def _carries(facts: Facts, labels: dict[str, str]) -> bool:
    return facts.target is not None and labels.items() <= facts.target.labels.items()
