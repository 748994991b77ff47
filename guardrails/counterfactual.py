"""What would have been allowed instead: the nearest sizes that the guardrails would take, all other facts the same.

Pure. The policies cannot be asked here: `passing` gives the sizes at which nothing but they can stand in the way, and
whoever has the policies at hand asks them about these (`api/explanation`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from contracts.action import Action, ResizeNodePool
from contracts.evaluation import Evaluation, Outcome
from contracts.observation import NodePoolObservation
from contracts.ports import PolicyResult
from guardrails.evaluate import evaluate
from guardrails.facts import Facts

MAX_SIZES = 300
"""Sizes that are tried, nearest to what was asked for first."""


def alternatives(action: Action, seen: NodePoolObservation) -> Iterator[Action]:
    """Return the same action with smaller changes: from the size next to what was asked for, towards what there is.

    For bounds it is the upper one that moves, and the lower one with it where they meet. The size that the pool has
    already is none of them: it would change nothing.
    """
    if isinstance(action, ResizeNodePool):
        present = max(seen.target_sizes.values(), default=0)
        if not seen.zones:
            return
        for size in _between(action.node_count, present):
            yield action.model_copy(update={"node_count": size})
        return
    if seen.autoscaling is None:
        return
    for most in _between(action.max_node_count, seen.autoscaling.max_node_count):
        least = min(action.min_node_count, most)
        yield action.model_copy(update={"min_node_count": least, "max_node_count": most})


def _between(wanted: int, present: int) -> range:
    """Return the sizes strictly between, the one next to `wanted` first."""
    step = 1 if wanted < present else -1
    return range(wanted + step, present, step) if wanted != present else range(0)


def judged(facts: Facts, action: Action, policy: PolicyResult | None) -> Evaluation:
    """Return what the pass would have come to with another action, under this answer of the policies."""
    draft = facts.draft.model_copy(update={"action": action})
    error = None if policy is not None else facts.policy_error
    return evaluate(replace(facts, draft=draft, policy=policy, policy_error=error))


def without_violations(policy: PolicyResult | None) -> PolicyResult | None:
    """Return the answer of policies that all agree: for asking whether anything but the policies stands in the way."""
    return policy.model_copy(update={"violations": ()}) if policy is not None else None


def passing(facts: Facts, acceptable: frozenset[Outcome]) -> Iterator[Action]:
    """Return, nearest first, the alternatives whose outcome is acceptable as far as the policies let it be."""
    if facts.observation is None:
        return
    agreeing = without_violations(facts.policy)
    for tried, action in enumerate(alternatives(facts.draft.action, facts.observation)):
        if tried >= MAX_SIZES:
            return
        if judged(facts, action, agreeing).outcome in acceptable:
            yield action
