"""APPROVAL beside the votes: a person lets one proposal through one closed gate, with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import Contract
from contracts.decision import MAX_REASON
from contracts.evaluation import Outcome, Verdict
from contracts.principal import Principal


class GateOverride(Contract):
    """One revision of one proposal may pass the windows that are named, until `expires_at`."""

    id: str
    """`ovr_…`; or the id of the approval that was given on a verdict which said that it overrides."""
    proposal_id: str
    revision: int = Field(ge=1)
    gate: Literal["change_window"]
    windows: tuple[str, ...] = Field(min_length=1)
    """What was closed when it was given. A window that closes later is not covered."""
    actor: Principal
    reason: str = Field(max_length=MAX_REASON)
    at: datetime
    expires_at: datetime


def overrides_a_window(verdicts: Iterable[Verdict]) -> bool:
    """Tell whether an approval given on these verdicts is an override, too. Like any other it needs a reason."""
    return any(
        one.guardrail == "change_window" and one.outcome is Outcome.REQUIRE_APPROVAL for one in verdicts
    )
