"""After the effect: what the verified change costs, and in which parts of which windows. Pure.

A change costs its hourly price from the moment of its effect on, in every window of every budget that covers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from contracts.action import Action, ResizeNodePool
from contracts.configuration import Budget
from contracts.effect import Verification
from contracts.observation import NodePoolObservation
from guardrails.budget.windows import window_at
from guardrails.change import change_of


@dataclass(frozen=True, slots=True)
class BudgetShare:
    """The part of one budget's window in which a change runs."""

    budget: Budget
    window: str
    hours: Decimal
    whole: Decimal
    """Hours of the whole window."""
    is_present: bool
    """False for the window of the effect, where it ended before the verification."""


def verified_delta(action: Action, before: NodePoolObservation, found: Verification) -> int:
    """Return the nodes gained: what runs now less what there was. For bounds, what the zones found may have."""
    if isinstance(action, ResizeNodePool):
        return sum(zone.running for zone in found.observed_zones) - before.total_target
    expected = change_of(action, before)
    zones = len(found.observed_zones) or expected.zones
    return action.max_node_count * zones - expected.nodes_before


def shares_of(budgets: Sequence[Budget], *, since: datetime, now: datetime) -> tuple[BudgetShare, ...]:
    """Return where a change that took effect at `since` counts, as of `now`: the windows of both moments."""
    found = []
    for budget in budgets:
        first, present = window_at(budget, since), window_at(budget, now)
        if first.key == present.key:
            found.append(BudgetShare(budget, first.key, first.hours_left, first.hours, is_present=True))
            continue
        found.append(BudgetShare(budget, first.key, first.hours_left, first.hours, is_present=False))
        found.append(BudgetShare(budget, present.key, present.hours, present.hours, is_present=True))
    return tuple(found)
