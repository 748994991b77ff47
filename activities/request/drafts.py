"""REQUEST → PROPOSAL: from one action an agent proposed to the draft of a proposal. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime

from contracts.configuration import Configuration
from contracts.principal import Principal, PrincipalKind
from contracts.proposal import Draft, Planner
from contracts.request import ProposedAction, Request

AGENT = Principal(kind=PrincipalKind.AGENT, subject="capacity-agent", issuer="sluice")
"""The agent as an author: it had a hand in the proposal, so it counts against its limits."""


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
    entry = configuration.registered(proposed.action.target)
    decide_by = now + configuration.approval.decide_within
    return Draft(
        id=proposal_id(request.id, index),
        tenant=request.tenant,
        revision=1,
        request_id=request.id,
        authors=(request.requester, AGENT),
        channel=request.channel,
        trust=request.trust,
        action=proposed.action,
        reason=proposed.rationale,
        confidence=proposed.confidence,
        evidence=proposed.evidence,
        planner=planner,
        environment=entry.environment if entry else "",
        team=entry.team if entry else "",
        mode=mode,
        created_at=now,
        decide_by=decide_by,
        execute_by=decide_by + configuration.approval.execute_within,
    )
