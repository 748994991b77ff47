"""`/v1/halts`, `/v1/breakers`, `/v1/budgets`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.authentication import Operator, Reader
from api.idempotency import Idempotency
from api.parts import Parts
from api.safety import service
from api.safety.schemas import Breakers, BreakerView, Budgets, HaltBody, HaltMoved, Halts, ResetBody

router = APIRouter(prefix="/v1", tags=["safety"])


@router.post("/halts", response_model=HaltMoved)
async def halt(body: HaltBody, parts: Parts, operator: Operator, claim: Idempotency) -> JSONResponse:
    """Stop effects. `draining` until no covered effect can still begin, then `effective`."""
    return (await service.halt(parts, body, operator, claim)).response()


@router.get("/halts")
async def halts(parts: Parts, _: Reader) -> Halts:
    """List halts that have not ended."""
    return await service.open_halts(parts)


@router.delete("/halts/{halt_id}")
async def end_halt(halt_id: str, parts: Parts, operator: Operator) -> HaltMoved:
    """End a halt; what it held goes on. Ending twice changes nothing."""
    return await service.end_halt(parts, halt_id, operator)


@router.get("/breakers")
async def breakers(parts: Parts, _: Reader) -> Breakers:
    """List circuit breakers."""
    return await service.breakers(parts)


@router.post("/breakers/{breaker_id:path}/reset", response_model=BreakerView)
async def reset(
    breaker_id: str, body: ResetBody, parts: Parts, operator: Operator, claim: Idempotency
) -> JSONResponse:
    """Close a breaker before its time, with a reason; what it held goes on."""
    return (await service.reset(parts, breaker_id, body.reason, operator, claim)).response()


@router.get("/budgets")
async def budgets(parts: Parts, _: Reader) -> Budgets:
    """List the configured budgets with what is reserved, committed and left in the present window."""
    return await service.budgets(parts)
