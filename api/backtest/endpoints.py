"""`/v1/backtest`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from api.authentication import RoleGate
from api.backtest import service
from api.backtest.filters import Filters
from api.parts import Parts
from contracts.principal import Principal, Role

router = APIRouter(prefix="/v1/backtest", tags=["backtest"])

Replayer = Annotated[Principal, Depends(RoleGate(Role.OPERATOR, Role.ADMIN))]
"""Facts of every proposal at once are for those who answer for the rules."""


@router.get("/records", response_class=Response)
async def records(
    parts: Parts,
    _: Replayer,
    wanted: Filters,
    after: Annotated[
        str | None, Query(max_length=400, description="The `cursor` of the last line before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=service.MAX_PAGE)] = service.MAX_PAGE,
) -> Response:
    """Read first guard passes with the facts they judged by, newest first, as JSON lines."""
    content = await service.page(parts, wanted, after, limit)
    return Response(content, media_type="application/x-ndjson")
