"""`/v1/audit`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from adapters.store.audit_search import Order, Wanted
from api.audit import service
from api.audit.filters import Filters
from api.audit.schemas import (
    CheckpointView,
    DecisionRecord,
    Events,
    ExportFormat,
    Growth,
    VerificationView,
    VerifyBody,
)
from api.audit.verification import Verifications
from api.authentication import Reader, ReaderByTokenOrSession
from api.parts import Parts
from api.problems import Problem
from contracts.audit import MAX_NUMBER
from contracts.base import utc_now

router = APIRouter(prefix="/v1/audit", tags=["audit"])

Runs = Annotated[Verifications, Depends(service.verifications_of)]
_CUT_OFF = {"description": "Entries are gone that a checkpoint covers."}


@router.get("/events")
async def events(
    parts: Parts,
    _: Reader,
    wanted: Filters,
    after: Annotated[
        int | None, Query(ge=-1, le=MAX_NUMBER, description="Only numbers above this one.")
    ] = None,
    before: Annotated[
        int | None, Query(ge=0, le=MAX_NUMBER, description="Only numbers below this one.")
    ] = None,
    order: Annotated[
        Order | None, Query(description="`oldest` first, unless only `before` is given.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=service.MAX_PAGE)] = 100,
) -> Events:
    """Page through the numbered events, in the order of the tree or against it."""
    chosen = order or (Order.NEWEST if before is not None and after is None else Order.OLDEST)
    return await service.events(parts, wanted, after=after, before=before, order=chosen, limit=limit)


@router.get("/events/{event_number}/proof", response_class=PlainTextResponse, responses={409: _CUT_OFF})
async def proof(
    parts: Parts,
    _: Reader,
    event_number: Annotated[int, Path(ge=0, le=MAX_NUMBER)],
    size: Annotated[
        int | None, Query(ge=1, le=MAX_NUMBER, description="Under the checkpoint over so many entries.")
    ] = None,
) -> PlainTextResponse:
    """Show one event with its proof, which `sluice audit verify --proof` checks offline, without the log.

    Without `size` it is under the newest checkpoint; one is signed where none covers the event yet.
    """
    headers = {"Content-Disposition": f'attachment; filename="sluice-audit-{event_number}.proof"'}
    return PlainTextResponse(await service.proof(parts, event_number, size), headers=headers)


@router.get("/checkpoint")
async def checkpoint(parts: Parts, _: Reader) -> CheckpointView:
    """Sign a checkpoint over everything that is committed by now, and show it."""
    return await service.checkpoint(parts)


@router.get(
    "/consistency",
    responses={404: {"description": "The log has not so many entries."}, 409: _CUT_OFF},
)
async def consistency(parts: Parts, _: Reader, old: Annotated[int, Query(ge=0, le=MAX_NUMBER)]) -> Growth:
    """Sign a checkpoint, and prove that its log begins with the log as it was when it had `old` entries."""
    return await service.consistency(parts, old)


@router.get("/export", response_class=StreamingResponse)
async def export(
    parts: Parts,
    _: ReaderByTokenOrSession,
    wanted: Filters,
    format: Annotated[ExportFormat, Query(description="`jsonl` takes no filters.")] = ExportFormat.JSONL,  # noqa: A002
) -> StreamingResponse:
    """Export the whole log as JSON lines that `sluice audit verify --file` checks offline, or events as CSV."""
    name = f"sluice-audit-{utc_now():%Y-%m-%dT%H%M%SZ}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if format is ExportFormat.CSV:
        rows = await service.export_csv(parts, wanted)
        return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)
    if wanted != Wanted():
        fields = [
            {
                "field": "query.format",
                "code": "filters",
                "message": "Only csv takes filters: a part proves nothing.",
            }
        ]
        raise Problem(422, "invalid_request", "The request is not valid.", errors=fields)
    return StreamingResponse(await service.export(parts), media_type="application/jsonl", headers=headers)


@router.get("/proposals/{proposal_id}")
async def record(proposal_id: str, parts: Parts, caller: ReaderByTokenOrSession) -> DecisionRecord:
    """Tell one proposal from request to end in plain words, each sentence with the events that prove it."""
    return await service.record(parts, proposal_id, caller)


@router.post("/verifications", status_code=202)
async def verify(
    runs: Runs, _: Reader, response: Response, body: VerifyBody | None = None
) -> VerificationView:
    """Verify the whole log in this process, or join the verification that is under way."""
    run = runs.start(body.checkpoint if body else None)
    response.headers["Location"] = f"/v1/audit/verifications/{run.id}"
    return run


@router.get("/verifications/{verification_id}")
async def verification(verification_id: str, runs: Runs, _: Reader) -> VerificationView:
    """Show how far a verification is, or what it found. Only the process that made it knows."""
    run = runs.find(verification_id)
    if run is None:
        told = "This process made no such verification, or has forgotten it: start another."
        raise Problem(404, "verification_not_found", told)
    return run
