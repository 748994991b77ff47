"""`/v1/audit`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.audit import service
from api.audit.schemas import CheckpointView, Events
from api.authentication import Reader
from api.parts import Parts

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("/events")
async def events(
    parts: Parts,
    _: Reader,
    after: Annotated[int, Query(ge=-1, lt=2**63, description="Number of the last event one has.")] = -1,
    subject: Annotated[str | None, Query(max_length=200, description="Id of what it is about.")] = None,
    limit: Annotated[int, Query(ge=1, le=service.MAX_PAGE)] = 100,
) -> Events:
    """Page through the numbered events in the order of the tree."""
    return await service.events(parts, after, subject, limit)


@router.get("/checkpoint")
async def checkpoint(parts: Parts, _: Reader) -> CheckpointView:
    """Sign a checkpoint over everything that is committed by now, and show it."""
    return await service.checkpoint(parts)


@router.get("/export", response_class=StreamingResponse)
async def export(parts: Parts, _: Reader) -> StreamingResponse:
    """Export the whole log as JSON lines that `sluice audit verify --file` checks offline."""
    return StreamingResponse(await service.export(parts), media_type="application/jsonl")
