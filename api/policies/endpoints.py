"""`/v1/policies`."""

from __future__ import annotations

from fastapi import APIRouter

from api.authentication import Reader
from api.parts import Parts
from api.policies import service
from contracts.ports import PoliciesInForce

router = APIRouter(prefix="/v1/policies", tags=["policy"])


@router.get("")
async def policies(parts: Parts, _: Reader) -> PoliciesInForce:
    """Tell which policies OPA evaluates now, at which revision, and what their authors say of them."""
    return await service.in_force(parts)
