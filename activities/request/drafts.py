"""REQUEST → PROPOSAL: from one action an agent proposed to the draft of a proposal. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime

from contracts.configuration import Configuration
from contracts.principal import CAPACITY_AGENT
from contracts.proposal import Draft, Planner
from contracts.request import ProposedAction, Request


def proposal_id(request_id: str, index: int) -> str:
    """Return the id of a request's nth proposal: the same in every attempt, so a rerun cannot make a second one."""
    return "prp_" + hashlib.sha256(f"{request_id}/{index}".encode()).hexdigest()[:20]


def draft_of(
    request: Request,
    index: int,
    proposed: ProposedAction,
    planner: Planner,
    *,
    configuration: Configuration,
    mode: str,
    now: datetime,
) -> Draft:
    """Return the first revision of a request's nth proposal. `now` is the database's clock."""
    return Draft(
        id=proposal_id(request.id, index),
        tenant=request.tenant,
        revision=1,
        request_id=request.id,
        authors=(request.requester, CAPACITY_AGENT),
        channel=request.channel,
        trust=request.trust,
        action=proposed.action,
        reason=proposed.rationale,
        confidence=proposed.confidence,
        evidence=proposed.evidence,
        planner=planner,
        mode=mode,
        **configuration.fresh(proposed.action.target, now),
    )
