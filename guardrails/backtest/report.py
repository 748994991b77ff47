"""BACKTEST: what came of all recorded passes: counts and money by flip and by rule, and each difference by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from contracts.evaluation import Evaluation
from guardrails.backtest.replay import Difference, Replayed, deciding


@dataclass(slots=True)
class Tally:
    """How many, and what their changes cost per month, by currency."""

    count: int = 0
    unpriced: int = 0
    """Of these nobody knew the cost."""
    monthly: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, one: Replayed) -> None:
        """Count one."""
        self.count += 1
        if one.monthly_delta is None:
            self.unpriced += 1
            return
        amount, currency = one.monthly_delta
        self.monthly[currency] += amount

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        money = {currency: str(amount) for currency, amount in sorted(self.monthly.items())}
        return {"count": self.count, "unpriced": self.unpriced, "monthly_delta": money}


@dataclass(frozen=True, slots=True)
class Unreplayed:
    """A record that says nothing about the candidate, and why."""

    proposal_id: str
    revision: int
    reason: str


@dataclass(slots=True)
class Report:
    """Grows with each record."""

    replayed: int = 0
    dry_runs: int = 0
    """Left out: nothing would have come of them."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """What the candidate comes to, all replayed records counted."""
    flips: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By outcome before and after."""
    rules: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """Flips by the rule that they are put down to."""
    flipped: list[Replayed] = field(default_factory=list)
    changed: list[Replayed] = field(default_factory=list)
    unreplayed: list[Unreplayed] = field(default_factory=list)
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, one: Replayed) -> None:
        """Count one replayed record."""
        self.replayed += 1
        self.outcomes[one.after.outcome.value] += 1
        self.oldest = min(self.oldest or one.past.at, one.past.at)
        self.newest = max(self.newest or one.past.at, one.past.at)
        if one.difference is Difference.FLIPPED:
            self.flips[one.before.outcome.value, one.after.outcome.value].add(one)
            self.rules[one.rule].add(one)
            self.flipped.append(one)
        elif one.difference is Difference.CHANGED:
            self.changed.append(one)

    def leave_out(self, proposal_id: str, revision: int, reason: str) -> None:
        """Name a record that could not be replayed."""
        self.unreplayed.append(Unreplayed(proposal_id, revision, reason))

    @property
    def total(self) -> int:
        """Every record that was read."""
        return self.replayed + self.dry_runs + len(self.unreplayed)

    def reasons(self) -> Mapping[str, int]:
        """Return why records could not be replayed, the most frequent first."""
        return dict(Counter(one.reason for one in self.unreplayed).most_common())

    def plain(self) -> dict[str, Any]:
        """Return the whole report as JSON."""
        return {
            "records": self.total,
            "replayed": self.replayed,
            "dry_runs_left_out": self.dry_runs,
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "newest": self.newest.isoformat() if self.newest else None,
            "outcomes": dict(self.outcomes),
            "flips": [
                {"before": before, "after": after, **tally.plain()}
                for (before, after), tally in sorted(self.flips.items())
            ],
            "rules": [{"rule": rule, **tally.plain()} for rule, tally in sorted(self.rules.items())],
            "flipped": [_plain(one) for one in self.flipped],
            "changed": [_plain(one) for one in self.changed],
            "unreplayed": [
                {"proposal_id": one.proposal_id, "revision": one.revision, "reason": one.reason}
                for one in self.unreplayed
            ],
        }


def _plain(one: Replayed) -> dict[str, Any]:
    money = one.monthly_delta
    return {
        "proposal_id": one.past.proposal_id,
        "revision": one.past.revision,
        "at": one.past.at.isoformat(),
        "target": one.past.target,
        "before": _side(one.before),
        "after": _side(one.after),
        "rule": one.rule,
        "message": one.message,
        "monthly_delta": str(money[0]) if money else None,
        "currency": money[1] if money else None,
    }


def _side(judged: Evaluation) -> dict[str, Any]:
    needed = judged.requirement
    return {
        "outcome": judged.outcome.value,
        "rules": list(deciding(judged)),
        "requirement": needed.model_dump(mode="json") if needed is not None else None,
        "policy_revision": judged.policy_revision,
        "configuration_revision": judged.configuration_revision,
    }
