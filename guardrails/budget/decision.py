"""GUARDRAIL budget: the change must fit into what is left of every budget that covers it.

Above a soft limit a person must approve; above the hard one nobody can.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import JsonValue

from contracts.evaluation import BudgetLine, CostEstimate, Verdict
from contracts.money import plain
from guardrails.answers import Answers
from guardrails.budget.cost import estimate
from guardrails.budget.remedy import remedy_of
from guardrails.facts import Facts

_ANSWER = Answers("budget")


def decide(facts: Facts) -> Verdict:
    """Deny when the cost is not known or one budget does not hold it. What saves money always fits."""
    cost = estimate(facts)
    if cost is None:
        return _unknown(facts)
    shown = _shown(cost)
    if any(
        currency != cost.currency
        for budget in facts.budgets
        for currency in (budget.currency, budget.ledger_currency)
    ):
        return _ANSWER.deny(
            "same_currency",
            "currency_mismatch",
            f"Prices are in {cost.currency}, but a budget that covers this is not.",
            shown,
            remedy="Whoever keeps the configuration declares the budget in the currency of the prices.",
        )
    exceeded = [line for line in cost.lines if line.amount > 0 and line.left_after < 0]
    if exceeded:
        worst = min(exceeded, key=lambda line: line.left_after)
        remedy = remedy_of(facts, worst)
        return _ANSWER.deny("within_budget", "budget_exceeded", _exceeded(worst), shown, remedy=remedy)
    if not cost.lines:
        message = f"No budget covers {facts.draft.environment}; nothing is reserved."
        return _ANSWER.allow("no_budget", message, shown)
    soft = [line for line in cost.lines if line.amount > 0 and _over_soft_limit(line) > 0]
    if soft:
        farthest = max(soft, key=_over_soft_limit)
        return _ANSWER.require_approval(
            "soft_limit",
            "budget_soft_limit",
            _above_soft_limit(farthest),
            facts=shown,
            remedy=f"It needs nobody's approval once it is {_over_soft_limit(farthest)} {farthest.currency} cheaper.",
        )
    tightest = min(cost.lines, key=lambda line: line.left_after)
    message = (
        f"{tightest.amount} {tightest.currency} of {tightest.scope} {tightest.window}; "
        f"{tightest.left_after} would be left."
    )
    return _ANSWER.allow("within_budget", _with_age(message, cost), shown)


def _unknown(facts: Facts) -> Verdict:
    if facts.observation is None:
        return _ANSWER.deny(
            "price_known",
            "cost_unknown",
            "Without an observation nobody knows what this costs.",
            remedy="The provider must answer for this target; then propose it again.",
        )
    machine_type = facts.observation.machine_type
    return _ANSWER.deny(
        "price_known",
        facts.price_error or "price_unknown",
        f"The price table has no price for {machine_type} in {facts.draft.action.location}.",
        {"machine_type": machine_type, "location": facts.draft.action.location},
        remedy="Whoever keeps the price table adds this machine type and region to it.",
    )


def _exceeded(line: BudgetLine) -> str:
    left = plain(line.limit - line.reserved - line.committed)
    return (
        f"It takes {line.amount} {line.currency} until the end of {line.window}, but {line.scope} "
        f"has only {left} of {line.limit} left."
    )


def _over_soft_limit(line: BudgetLine) -> Decimal:
    if line.soft_limit is None:
        return Decimal(0)
    return plain(line.reserved + line.committed + line.amount - line.soft_limit)


def _above_soft_limit(line: BudgetLine) -> str:
    return (
        f"It takes {line.amount} {line.currency} until the end of {line.window} and brings {line.scope} "
        f"{_over_soft_limit(line)} above its soft limit of {line.soft_limit}: a person must approve."
    )


def _with_age(message: str, cost: CostEstimate) -> str:
    return f"{message} The prices are of {cost.price_as_of}." if cost.is_stale else message


def _shown(cost: CostEstimate) -> dict[str, JsonValue]:
    lines: list[JsonValue] = [
        {
            "scope": line.scope,
            "window": line.window,
            "amount": str(line.amount),
            "limit": str(line.limit),
            "left_after": str(line.left_after),
            "currency": line.currency,
        }
        for line in cost.lines
    ]
    return {
        "node_delta": cost.node_delta,
        "price_per_node_hour": str(cost.price_per_node_hour),
        "monthly_delta": str(cost.monthly_delta),
        "currency": cost.currency,
        "price_as_of": cost.price_as_of.isoformat(),
        "budgets": lines,
    }
