"""BACKTEST: what a recorded pass would have known under another configuration.

What the operator declares is replaced; what was observed, counted and booked stays. Where the candidate asks about
something that was not written down then, the pass cannot be replayed, and that is said: it is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from contracts.configuration import Budget, Configuration, Limits, Target
from contracts.errors import NotReplayable
from contracts.proposal import Draft
from guardrails.budget.windows import window_at
from guardrails.change_window.timetable import Place, Timetable, Timetables
from guardrails.facts import BudgetFacts, Facts
from guardrails.recording import Record

REPLACED = frozenset(
    {
        "draft", "target", "environment", "limits", "approval_limits", "configuration_revision", "sample_draw",
        "budgets", "windows", "break_glass", "owners", "required_guardrails",
    }
)  # fmt: skip
"""Facts that follow from the configuration. A test compares this with `Facts`: a new fact is one or the other."""
_UNREAD = ("observation", "change", "cost", "load")
"""Parts of the policies' input that a target out of scope does not have: it is not even read."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration to be tried."""

    declared: Configuration
    _timetables: Timetables = field(default_factory=Timetables)

    def facts(self, record: Record) -> Record:
        """Return what the pass would have known.

        Raises:
            NotReplayable: something that the candidate needs was not recorded. The message says what.
        """
        before, declared = record.facts, self.declared
        _counted_alike(before, declared.limits)
        target = declared.registered(before.draft.action.target)
        if target is not None and before.target is None:
            raise NotReplayable("the target was not registered then, so it was not observed")
        draft = _drafted(before, declared, target)
        production = declared.is_production(draft.environment)
        facts = replace(
            before,
            draft=draft,
            target=target,
            environment=declared.environments.get(draft.environment),
            limits=declared.limits,
            approval_limits=declared.approval,
            configuration_revision=declared.revision,
            required_guardrails=declared.guardrails.required,
            sample_draw=None,
            budgets=tuple(_budgets(before, declared.covering(target, draft.agent_name))),
            windows=self._timetable.at(Place.of(draft), before.now),
            break_glass=declared.break_glass,
            owners=declared.owners_of(draft.authors),
        )
        document = record.policy_input
        if document is not None:
            shown: dict[str, Any] = {"environment": draft.environment, "production": production}
            shown["target"] = target.model_dump(mode="json") if target is not None else None
            document = document | shown
        if target is None and before.target is not None:
            facts = _unread(facts)
            document = document and document | {name: None for name in _UNREAD if name in document}
        return Record(facts=facts, policy_input=document)

    @property
    def _timetable(self) -> Timetable:
        return self._timetables.of(self.declared)


def _drafted(before: Facts, declared: Configuration, target: Target | None) -> Draft:
    """As it would have been made: the registration's words about the target, and the time that people have."""
    was, now = before.approval_limits, declared.approval
    decide = now.decide_within - was.decide_within
    execute = decide + now.execute_within - was.execute_within
    return before.draft.model_copy(
        update={
            "environment": target.environment if target is not None else "",
            "team": target.team if target is not None else "",
            "decide_by": before.draft.decide_by + decide,
            "execute_by": before.draft.execute_by + execute,
        }
    )


def _unread(facts: Facts) -> Facts:
    return replace(
        facts,
        observation=None,
        observation_error="target_not_registered",
        price=None,
        price_error=None,
    )


def _budgets(before: Facts, budgets: Iterable[Budget]) -> Iterable[BudgetFacts]:
    """Each with the balance of its window then. One that did not exist had nothing booked on it."""
    known = {(one.scope, one.window): one for one in before.budgets}
    for budget in budgets:
        window = window_at(budget, before.now)
        found = known.get((budget.key, window.key))
        yield BudgetFacts(
            scope=budget.key,
            window=window.key,
            currency=budget.currency,
            ledger_currency=found.ledger_currency if found is not None else budget.currency,
            limit=budget.limit,
            soft_limit=budget.soft_limit,
            reserved=found.reserved if found is not None else Decimal(0),
            committed=found.committed if found is not None else Decimal(0),
            hours_left=window.hours_left,
        )


def _counted_alike(before: Facts, limits: Limits) -> None:
    """Counts were made over the windows of then, and stopped just above the limits of then.

    Raises:
        NotReplayable: the candidate counts over others, or further than was counted.
    """
    was, storm = before.limits, before.storm
    if (was.storm.window, was.repeats.window) != (limits.storm.window, limits.repeats.window):
        raise NotReplayable("proposals were counted over another window then")
    looked_back = max(was.oscillation.window, was.reversal_cooldown)
    if max(limits.oscillation.window, limits.reversal_cooldown) > looked_back:
        raise NotReplayable("changes were not looked up so far back then")
    counted = (
        (
            max(storm.agent_proposals, storm.environment_proposals, storm.requester_proposals),
            was.storm.proposals,
            limits.storm.proposals,
        ),
        (
            max(storm.agent_changes, storm.environment_changes, storm.requester_changes),
            was.storm.changes,
            limits.storm.changes,
        ),
        (before.repeats, was.repeats.proposals, limits.repeats.proposals),
    )
    if any(count > old and new > old for count, old, new in counted):
        raise NotReplayable("more was not counted then than the limits of then needed")
