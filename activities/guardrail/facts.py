"""Inside the transaction of a guard pass: everything known, put together as the one noun that guardrails read."""

from __future__ import annotations

from activities.guardrail.gathering import Outside
from adapters.store import breakers, rate
from adapters.store.guard_pass import Contended, Count, Locked, Place
from contracts.configuration import Budget, Configuration, Limits
from contracts.messages import PassInput
from contracts.proposal import Draft
from guardrails.budget.windows import Window, window_at
from guardrails.facts import BudgetFacts, Facts, RateFacts, agent_of


def place_of(draft: Draft) -> Place:
    """Return what a pass over this draft locks and counts by."""
    target = draft.action.target
    agent = agent_of(draft)
    name = f"{agent.issuer}/{agent.subject}" if agent else None
    return Place(
        domain=target.serialisation_domain,
        target_key=target.key,
        agent=name,
        agent_lock=rate.agent_lock(name) if name else None,
        breaker_ids=breakers.breaker_ids(target.key, draft.action.kind),
    )


def budgets_at(configuration: Configuration, outside: Outside, locked: Locked) -> list[tuple[Budget, Window]]:
    """Return every budget that covers the change, with its window at the database's time."""
    if outside.target is None:
        return []
    return [
        (budget, window_at(budget, locked.now))
        for budget in configuration.budgets
        if budget.scope.covers(environment=outside.target.environment, team=outside.target.team)
    ]


def facts_of(
    given: PassInput,
    configuration: Configuration,
    mode: str,
    outside: Outside,
    locked: Locked,
    contended: Contended,
    *,
    admitting: bool,
) -> Facts:
    """Return the facts of one pass."""
    draft, place = outside.draft, place_of(outside.draft)
    return Facts(
        draft=draft,
        pass_number=given.pass_number,
        admitting=admitting,
        now=locked.now,
        mode=mode,
        target=outside.target,
        environment=configuration.environments.get(draft.environment),
        limits=configuration.limits,
        approval_limits=configuration.approval,
        observation=outside.observation,
        observation_error=outside.observation_error,
        policy=outside.policy,
        policy_error=outside.policy_error,
        price=outside.price,
        price_error=outside.price_error,
        budgets=_budgets(budgets_at(configuration, outside, locked), locked, contended),
        target_rate=_rate(place.target_key, contended.target_uses, configuration.limits),
        agent_rate=_rate(place.agent, contended.agent_uses, configuration.limits) if place.agent else None,
        last_effect_at=contended.last_effect_at,
        breakers=contended.breakers,
        halts=contended.halts,
        lease_owner=contended.lease_owner,
        ahead=contended.ahead,
        approvers=contended.approvers if admitting else (),
    )


def _rate(key: str, count: Count, limits: Limits) -> RateFacts:
    return RateFacts(key=key, uses=count.uses, frees_at=count.frees_at if limits.effects_per_hour else None)


def _budgets(
    covering: list[tuple[Budget, Window]], locked: Locked, contended: Contended
) -> tuple[BudgetFacts, ...]:
    balances = {(balance.scope, balance.window): balance for balance in contended.balances}
    own = {position.key: position.reserved for position in locked.positions}
    found = []
    for budget, window in covering:
        balance = balances[budget.scope.key, window.key]
        found.append(
            BudgetFacts(
                scope=budget.scope.key,
                window=window.key,
                currency=budget.currency,
                ledger_currency=balance.currency,
                limit=budget.limit,
                reserved=balance.reserved - own.get((budget.scope.key, window.key), 0),
                committed=balance.committed,
                hours_left=window.hours_left,
            )
        )
    return tuple(found)
