"""Shape of a correction: one line of `GET /v1/corrections`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from api.proposals.schemas import Actor, View
from contracts.action import Action
from contracts.decision import ReasonName
from contracts.proposal import Planner
from contracts.request import Alert, Channel, Trust


class CorrectionKind(StrEnum):
    """What somebody did about a revision."""

    REJECT = "reject"
    REQUEST_CHANGE = "request_change"
    EDIT = "edit"


class Correction(View):
    """What was asked, what was proposed, why that was wrong, and what was made of it."""

    proposal_id: str
    revision: int
    """Of the proposal that was corrected."""
    kind: CorrectionKind
    at: datetime
    by: Actor
    reason_name: ReasonName | None
    reason: str
    """Words of the person."""
    proposed: Action
    edited: Action | None
    """What was put in its place; None when nobody edited that revision."""
    planner: Planner
    channel: Channel
    trust: Trust
    request_id: str | None
    text: str
    """What was asked, by anybody: data. Empty for a proposal that nobody asked for in words."""
    alert: Alert | None
