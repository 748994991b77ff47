"""`/v1/proposals`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from api.authentication import Editor, Operator, Reader, Requester, RequesterOrOperator, Reviewer
from api.channel import CallerChannel
from api.idempotency import Idempotency
from api.parts import Parts
from api.proposals import closing, commenting, decisions, overriding, revising, service, undoing
from api.proposals.filters import Filters
from api.proposals.schemas import (
    CommentBody,
    Commented,
    Created,
    DecideBody,
    Decided,
    Moved,
    ProposalPage,
    ProposalView,
    ProposeBody,
    ReasonBody,
    ResolveBody,
    ReviseBody,
    Revised,
)
from api.safety.exception_schemas import Overridden, OverrideBody
from contracts.proposal import ProposalState

router = APIRouter(prefix="/v1/proposals", tags=["proposals"])


@router.post("", status_code=202, response_model=Created)
async def propose(
    body: ProposeBody, parts: Parts, caller: Requester, channel: CallerChannel, claim: Idempotency
) -> JSONResponse:
    """Propose an action of the catalogue. It is evaluated, and changes nothing unless the gates let it."""
    return (await service.propose(parts, body, caller, channel, claim)).response()


@router.get("")
async def page(
    parts: Parts,
    _: Reader,
    filters: Filters,
    state: Annotated[list[ProposalState] | None, Query(description="May be repeated.")] = None,
    limit: Annotated[int, Query(ge=1, le=service.MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> ProposalPage:
    """List proposals, newest first."""
    return await service.page(parts, state or (), limit, cursor, filters)


@router.get("/{proposal_id}")
async def show(proposal_id: str, parts: Parts, caller: Reader) -> ProposalView:
    """Show one proposal: everything a reviewer needs, and whether the caller may decide."""
    return await service.show(parts, proposal_id, caller)


@router.post(
    "/{proposal_id}/decisions",
    response_model=Decided,
    responses={202: {"model": Decided, "description": "Recorded; the workflow will get it."}},
)
async def decide(
    proposal_id: str, body: DecideBody, parts: Parts, reviewer: Reviewer, claim: Idempotency
) -> JSONResponse:
    """Approve, reject, request a change of a revision, or withdraw. The newest counts: 200 applied, 202 recorded."""
    return (await decisions.decide(parts, proposal_id, body, reviewer, claim)).response()


@router.post("/{proposal_id}/revisions", status_code=202, response_model=Revised)
async def revise(
    proposal_id: str, body: ReviseBody, parts: Parts, editor: Editor, claim: Idempotency
) -> JSONResponse:
    """Edit what waits for approval: other values for the same target. Votes are void, the gates run again."""
    return (await revising.revise(parts, proposal_id, body, editor, claim)).response()


@router.post("/{proposal_id}/comments", status_code=201, response_model=Commented)
async def comment(
    proposal_id: str, body: CommentBody, parts: Parts, author: Reader, claim: Idempotency
) -> JSONResponse:
    """Say something about a proposal, whatever its state. It decides nothing."""
    return (await commenting.comment(parts, proposal_id, body, author, claim)).response()


@router.post("/{proposal_id}/override", response_model=Overridden)
async def override(
    proposal_id: str, body: OverrideBody, parts: Parts, person: Reviewer, claim: Idempotency
) -> JSONResponse:
    """Let this revision through the change windows that close it now. The windows name who may."""
    return (await overriding.override(parts, proposal_id, body, person, claim)).response()


@router.post("/{proposal_id}/cancel", response_model=Moved)
async def cancel(
    proposal_id: str,
    parts: Parts,
    caller: RequesterOrOperator,
    claim: Idempotency,
    body: ReasonBody | None = None,
) -> JSONResponse:
    """Take back a proposal that has not begun to change anything. Its requester may, and operators."""
    reason = body.reason if body else ""
    return (await closing.cancel(parts, proposal_id, reason, caller, claim)).response()


@router.post("/{proposal_id}/undo", status_code=202, response_model=Created)
async def undo(
    proposal_id: str,
    parts: Parts,
    caller: RequesterOrOperator,
    channel: CallerChannel,
    claim: Idempotency,
    body: ReasonBody | None = None,
) -> JSONResponse:
    """Propose the prior state again: a new proposal, through all gates."""
    reason = body.reason if body else ""
    return (await undoing.undo(parts, proposal_id, reason, caller, channel, claim)).response()


@router.post("/{proposal_id}/resolve", response_model=Moved)
async def resolve(
    proposal_id: str, body: ResolveBody, parts: Parts, operator: Operator, claim: Idempotency
) -> JSONResponse:
    """Say how a `dirty` proposal was found and left. It frees its target."""
    return (await closing.resolve(parts, proposal_id, body, operator, claim)).response()
