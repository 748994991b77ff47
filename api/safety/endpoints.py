"""`/v1/halts`, `/v1/breakers`, `/v1/budgets`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.authentication import Operator, Reader
from api.idempotency import Idempotency
from api.parts import Parts
from api.safety import breakers as breaker_service
from api.safety import budgets as budget_service
from api.safety import service
from api.safety.schemas import (
    Breakers,
    BreakerView,
    Budgets,
    HaltBody,
    HaltDetail,
    HaltMoved,
    HaltPreview,
    Halts,
    OpenBody,
    PreviewBody,
    ResetBody,
)

router = APIRouter(prefix="/v1", tags=["safety"])


@router.post("/halts", response_model=HaltMoved)
async def halt(body: HaltBody, parts: Parts, operator: Operator, claim: Idempotency) -> JSONResponse:
    """Stop effects. `draining` until no covered effect can still begin, then `effective`."""
    return (await service.halt(parts, body, operator, claim)).response()


@router.post("/halts/preview")
async def preview_halt(body: PreviewBody, parts: Parts, _: Operator) -> HaltPreview:
    """Tell what a halt of this scope would stop and what would finish. Nothing is changed."""
    return await service.preview(parts, body.scope)


@router.get("/halts")
async def halts(parts: Parts, _: Reader, ended: bool = False) -> Halts:
    """List halts that have not ended; with `ended=true` the 50 that ended last."""
    return await (service.ended_halts(parts) if ended else service.open_halts(parts))


@router.get("/halts/{halt_id}")
async def halt_detail(halt_id: str, parts: Parts, _: Reader) -> HaltDetail:
    """Return one halt with what it stops and what finishes, as of now."""
    return await service.halt_detail(parts, halt_id)


@router.delete("/halts/{halt_id}")
async def end_halt(halt_id: str, parts: Parts, operator: Operator) -> HaltMoved:
    """End a halt; what it held goes on. Ending twice changes nothing."""
    return await service.end_halt(parts, halt_id, operator)


@router.get("/breakers")
async def breakers(parts: Parts, _: Reader) -> Breakers:
    """List circuit breakers, closed ones too, with what each holds and its last moves."""
    return await service.breakers(parts)


@router.post("/breakers/{breaker_id:path}/reset", response_model=BreakerView)
async def reset(
    breaker_id: str, body: ResetBody, parts: Parts, operator: Operator, claim: Idempotency
) -> JSONResponse:
    """Close a breaker before its time, with a reason; what it held goes on."""
    return (await service.reset(parts, breaker_id, body.reason, operator, claim)).response()


@router.post("/breakers/{breaker_id:path}/open", response_model=BreakerView)
async def open_breaker(
    breaker_id: str, body: OpenBody, parts: Parts, operator: Operator, claim: Idempotency
) -> JSONResponse:
    """Open a breaker by hand, with a reason, whether it ever failed or not; without a duration until it is reset."""
    return (await breaker_service.open_by_hand(parts, breaker_id, body, operator, claim)).response()


@router.get("/budgets")
async def budgets(parts: Parts, _: Reader) -> Budgets:
    """List the configured budgets in their present window: sums, what is spent, forecast, and the way there."""
    return await budget_service.budgets(parts)
