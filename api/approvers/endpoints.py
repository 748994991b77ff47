"""`/v1/delegations` and `/v1/approvers`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from api.approvers import figures, service
from api.approvers.schemas import Approvers, DelegationBody, Delegations, DelegationView
from api.authentication import Reader
from api.idempotency import Idempotency
from api.moments import Moment
from api.parts import Parts

router = APIRouter(prefix="/v1", tags=["approvers"])


@router.post("/delegations", response_model=DelegationView, status_code=201)
async def delegate(body: DelegationBody, parts: Parts, caller: Reader, claim: Idempotency) -> JSONResponse:
    """Let another person decide in one's place for a while. Only an admin does so for somebody else."""
    return (await service.delegate(parts, body, caller, claim)).response()


@router.get("/delegations")
async def delegations(parts: Parts, caller: Reader) -> Delegations:
    """List delegations in force or to come: all for operators and admins, else the caller's."""
    return await service.listed(parts, caller)


@router.delete("/delegations/{delegation_id}")
async def end_delegation(delegation_id: str, parts: Parts, caller: Reader) -> DelegationView:
    """End a delegation at once. Ending twice changes nothing."""
    return await service.end(parts, delegation_id, caller)


@router.get("/approvers")
async def approvers(
    parts: Parts,
    caller: Reader,
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query()] = None,
) -> Approvers:
    """Tell how people decide: rates, times, what came of it. Who is neither operator nor admin sees their own."""
    return await figures.approvers(parts, caller, since, until)
