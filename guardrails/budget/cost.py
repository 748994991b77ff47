"""What a change costs, by list prices: per month, and in each budget until its window ends."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from contracts.evaluation import BudgetLine, CostEstimate
from contracts.money import CENT
from guardrails.change import change_of
from guardrails.facts import Facts
from guardrails.once import once

HOURS_PER_MONTH = Decimal(730)


@once
def estimate(facts: Facts) -> CostEstimate | None:
    """Return the cost, or None without an observation or a price.

    A budget's amount is max(0, nodes gained × price × hours left in the window), rounded up to the cent. For an
    autoscaled pool the nodes gained are those of its upper bound, or of its floor where that forces more.
    """
    seen, price = facts.observation, facts.price
    if seen is None or price is None:
        return None
    change = change_of(facts.draft.action, seen)
    hourly = change.delta * price.per_hour
    return CostEstimate(
        currency=price.currency,
        machine_type=seen.machine_type,
        region=facts.draft.action.location,
        node_delta=change.delta,
        price_per_node_hour=price.per_hour,
        monthly_delta=(hourly * HOURS_PER_MONTH).quantize(CENT, rounding=ROUND_HALF_UP),
        price_source=price.source,
        price_as_of=price.as_of,
        price_kind=price.kind,
        is_stale=facts.now.date() - price.as_of > price.stale_after,
        lines=tuple(
            BudgetLine(
                scope=budget.scope,
                window=budget.window,
                currency=budget.currency,
                limit=budget.limit,
                reserved=budget.reserved,
                committed=budget.committed,
                amount=max(Decimal(0), hourly * budget.hours_left).quantize(CENT, rounding=ROUND_CEILING),
                hours_left=budget.hours_left,
                soft_limit=budget.soft_limit,
            )
            for budget in facts.budgets
        ),
    )
