"""Shapes of the comparison with a candidate in shadow."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from contracts.evaluation import Outcome
from contracts.ports import PolicyViolation


class View(BaseModel):
    """An answer. Frozen."""

    model_config = ConfigDict(frozen=True)


class Pair(View):
    """First passes that ended so, and would have ended so under the candidate."""

    live: Outcome
    candidate: Outcome
    count: int
    unpriced: int
    """Of these the cost was not known."""
    monthly_delta: dict[str, Decimal]
    """Sum of what the changes would cost more per month, by currency."""


class Disagreement(View):
    """One first pass that the candidate would have decided otherwise."""

    proposal_id: str
    revision: int
    at: datetime
    target: str
    summary: str
    live: Outcome
    candidate: Outcome
    rules: tuple[str, ...]
    """Of the candidate where some fired; else those of the live policies, which would fall away."""
    violations: tuple[PolicyViolation, ...]
    monthly_delta: Decimal | None
    currency: str | None


class ShadowComparison(View):
    """The live policies and one candidate, over first passes only. The candidate decided nothing."""

    since: datetime
    revision: str | None
    """Of the candidate that is compared; None: none has answered."""
    revisions: tuple[str, ...]
    """Every candidate that answered in this time, the latest first."""
    answered: int
    agreed: int
    unanswered: dict[str, int]
    """Passes without an answer of any candidate, by reason code."""
    pairs: tuple[Pair, ...]
    disagreements: tuple[Disagreement, ...]
    """The newest."""
