"""`/v1/policy/shadow`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from api.authentication import Reader
from api.parts import Parts
from api.shadow import service
from api.shadow.schemas import ShadowComparison

router = APIRouter(prefix="/v1/policy", tags=["policy"])

_YEAR = 8_760


@router.get("/shadow")
async def shadow(
    parts: Parts,
    _: Reader,
    hours: Annotated[int, Query(ge=1, le=_YEAR, description="How far to look back.")] = 168,
    revision: Annotated[
        str | None, Query(min_length=1, max_length=200, description="A candidate; by default the latest.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Disagreements to list.")] = 50,
) -> ShadowComparison:
    """Compare what was decided with what a candidate policy in shadow would have decided."""
    return await service.compare(parts, within=timedelta(hours=hours), revision=revision, limit=limit)
