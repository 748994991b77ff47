"""`/v1/corrections`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.authentication import ReviewsWords
from api.corrections import service
from api.moments import Moment
from api.parts import Parts

router = APIRouter(prefix="/v1/corrections", tags=["proposals"])


@router.get("", response_class=Response)
async def corrections(
    parts: Parts,
    _: ReviewsWords,
    since: Annotated[Moment | None, Query(description="From this moment on.")] = None,
    limit: Annotated[int, Query(ge=1, le=service.MAX_LINES)] = service.MAX_LINES,
) -> Response:
    """List rejections, requests for change and edits as JSON lines, oldest first: what planners can learn from."""
    lines = [line.model_dump_json() + "\n" for line in await service.found(parts, since, limit)]
    return Response("".join(lines), media_type="application/x-ndjson")
