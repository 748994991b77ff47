"""GUARDRAILS, beside the path: what a candidate policy would have made of a pass. It decides nothing."""

from __future__ import annotations

from contracts.base import Contract
from contracts.evaluation import Outcome
from contracts.ports import PolicyViolation


class ShadowVerdict(Contract):
    """One pass under the candidate, everything else as it was judged."""

    revision: str = ""
    """Of the candidate's policies."""
    outcome: Outcome | None = None
    """What all guardrails would have come to; None when the candidate gave no answer."""
    violations: tuple[PolicyViolation, ...] = ()
    error: str | None = None
    """Reason code, when the candidate gave no answer: in time, or at all."""
