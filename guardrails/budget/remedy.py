"""GUARDRAIL budget, when it denies: what would fit, and who can make room. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from contracts.action import Action, ResizeNodePool
from contracts.evaluation import BudgetLine
from guardrails.budget.cost import estimate
from guardrails.facts import Facts


def remedy_of(facts: Facts, worst: BudgetLine) -> str:
    """Return one sentence or two: the largest size that every budget holds, or the amount that is missing."""
    missing = f"{-worst.left_after} {worst.currency}"
    raising = (
        f"or whoever keeps the configuration raises the limit of {worst.scope} ({worst.window}) by {missing}"
    )
    size = largest_that_fits(facts)
    if size is None:
        return f"No growth fits: wait for the next window, {raising}."
    what = "nodes" if isinstance(facts.draft.action, ResizeNodePool) else "nodes at most"
    return f"Up to {size} {what} per zone fit now; {raising}."


def largest_that_fits(facts: Facts) -> int | None:
    """Return the most nodes per zone, below what is wanted, that grow the pool within every budget; None: none."""
    wanted = _size_of(facts.draft.action)
    # What a size costs rises with it, so the sizes that do not fit are the last ones.
    first_too_large = bisect_left(range(wanted), True, key=lambda size: not _fits(facts, size))
    size = first_too_large - 1
    return size if size >= 0 and _grows(facts, size) else None


def _fits(facts: Facts, size: int) -> bool:
    cost = estimate(_with_size(facts, size))
    return cost is not None and all(line.amount <= 0 or line.left_after >= 0 for line in cost.lines)


def _grows(facts: Facts, size: int) -> bool:
    cost = estimate(_with_size(facts, size))
    return cost is not None and cost.node_delta > 0


def _with_size(facts: Facts, size: int) -> Facts:
    action = facts.draft.action
    changed = (
        {"node_count": size}
        if isinstance(action, ResizeNodePool)
        else {"max_node_count": size, "min_node_count": min(action.min_node_count, size)}
    )
    draft = facts.draft.model_copy(update={"action": action.model_copy(update=changed)})
    return replace(facts, draft=draft)


def _size_of(action: Action) -> int:
    return action.node_count if isinstance(action, ResizeNodePool) else action.max_node_count
