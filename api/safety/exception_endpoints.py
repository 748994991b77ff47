"""`/v1/windows` and `/v1/break-glass`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from api.authentication import Operator, Reader, SecondPerson
from api.idempotency import Idempotency
from api.parts import Parts
from api.safety import break_glass
from api.safety import windows as window_service
from api.safety.exception_schemas import Grants, GrantView, OpenGrantBody, ReviewBody, Windows
from contracts.break_glass import BreakGlassStatus

router = APIRouter(prefix="/v1", tags=["safety"])


@router.get("/windows")
async def windows(parts: Parts, _: Reader) -> Windows:
    """List the declared change windows: what lasts now, and when that changes."""
    return await window_service.windows(parts)


@router.post("/break-glass", status_code=201, response_model=GrantView)
async def open_grant(
    body: OpenGrantBody, parts: Parts, operator: Operator, claim: Idempotency
) -> JSONResponse:
    """Open some gates for a short time. Nothing is bypassed until a second person confirms."""
    return (await break_glass.open_grant(parts, body, operator, claim)).response()


@router.get("/break-glass")
async def grants(
    parts: Parts,
    _: Reader,
    status: Annotated[list[BreakGlassStatus] | None, Query(description="May be repeated.")] = None,
) -> Grants:
    """List break-glass grants with what each let through, newest first. `review_open` is what waits for a review."""
    return await break_glass.grants(parts, status or ())


@router.get("/break-glass/{grant_id}")
async def grant(grant_id: str, parts: Parts, _: Reader) -> GrantView:
    """Return one grant."""
    return await break_glass.grant_detail(parts, grant_id)


@router.post("/break-glass/{grant_id}/confirm", response_model=GrantView)
async def confirm(grant_id: str, parts: Parts, second: SecondPerson, claim: Idempotency) -> JSONResponse:
    """Confirm a grant as the second person. It counts from now on, until it expires or is ended."""
    return (await break_glass.confirm(parts, grant_id, second, claim)).response()


@router.post("/break-glass/{grant_id}/end", response_model=GrantView)
async def end(grant_id: str, parts: Parts, person: SecondPerson, claim: Idempotency) -> JSONResponse:
    """End a grant before its time. One that was active has to be reviewed."""
    return (await break_glass.end(parts, grant_id, person, claim)).response()


@router.post("/break-glass/{grant_id}/review", response_model=GrantView)
async def review(
    grant_id: str, body: ReviewBody, parts: Parts, reviewer: SecondPerson, claim: Idempotency
) -> JSONResponse:
    """Close the review, in words, as somebody who neither opened nor confirmed it."""
    return (await break_glass.review(parts, grant_id, body, reviewer, claim)).response()
