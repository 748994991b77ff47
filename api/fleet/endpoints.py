"""`GET /v1/fleet`."""

from __future__ import annotations

from fastapi import APIRouter

from api.authentication import Reader
from api.fleet import service
from api.fleet.schemas import Fleet
from api.parts import Parts

router = APIRouter(prefix="/v1", tags=["fleet"])


@router.get("/fleet")
async def fleet(parts: Parts, _: Reader) -> Fleet:
    """List every registered node pool as it was last seen, with its pending changes. A look is made every minute."""
    return await service.fleet(parts)
