"""BACKTEST: one recorded pass, judged again, and how the answer differs from the one that was given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from contracts.errors import NotReplayable
from contracts.evaluation import Evaluation, Outcome
from contracts.ports import PolicyResult
from guardrails.evaluate import evaluate
from guardrails.recording import Record


class Difference(StrEnum):
    """How two answers to the same proposal differ."""

    SAME = "same"
    CHANGED = "changed"
    """The same outcome, by other rules or with other people asked."""
    FLIPPED = "flipped"
    """Another outcome."""


@dataclass(frozen=True, slots=True)
class Past:
    """One recorded pass: what was answered, and what it was judged by."""

    proposal_id: str
    revision: int
    at: datetime
    target: str
    evaluation: Evaluation
    record: Record


@dataclass(frozen=True, slots=True)
class Replayed:
    """The two answers, side by side."""

    past: Past
    after: Evaluation

    @property
    def before(self) -> Evaluation:
        """What was answered then."""
        return self.past.evaluation

    @property
    def difference(self) -> Difference:
        """How they differ."""
        if self.before.outcome is not self.after.outcome:
            return Difference.FLIPPED
        alike = (
            deciding(self.before) == deciding(self.after)
            and self.before.requirement == self.after.requirement
        )
        return Difference.SAME if alike else Difference.CHANGED

    @property
    def monthly_delta(self) -> tuple[Decimal, str] | None:
        """What the change would cost more per month, with its currency; None where nobody knew."""
        cost = self.before.cost or self.after.cost
        return (cost.monthly_delta, cost.currency) if cost is not None else None

    @property
    def rule(self) -> str:
        """The rule that the difference is put down to: what decides now, or where nothing stands in the way, then."""
        return next(iter(deciding(self.after) or deciding(self.before)), "")

    @property
    def message(self) -> str:
        """What that rule says."""
        judged = self.after if deciding(self.after) else self.before
        return judged.worst.message


def deciding(evaluation: Evaluation) -> tuple[str, ...]:
    """Return `guardrail.rule` of every verdict as severe as the outcome; none when everything allows.

    Of the policies each rule is named that fired at the level that decided.
    """
    if evaluation.outcome is Outcome.ALLOW:
        return ()
    found = []
    for verdict in evaluation.verdicts:
        if verdict.outcome is evaluation.outcome:
            found.append(f"{verdict.guardrail}.{verdict.rule}")
    return tuple(found)


def judge(past: Past, prepared: Record, answer: PolicyResult | None, error: str | None) -> Replayed:
    """Return the pass under the facts of the candidate and this answer of its policies.

    Raises:
        NotReplayable: by its own recorded facts this version answers otherwise than was answered then.
    """
    control = evaluate(past.record.facts)
    if (control.outcome, deciding(control)) != (past.evaluation.outcome, deciding(past.evaluation)):
        raise NotReplayable(
            "the guardrails themselves have changed since: they judge the same facts otherwise"
        )
    facts = replace(prepared.facts, policy=answer, policy_error=error)
    return Replayed(past, evaluate(facts))
