"""`/v1/requests`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.authentication import Reader, Requester
from api.channel import CallerChannel
from api.idempotency import Idempotency
from api.parts import Parts
from api.requests import service
from api.requests.schemas import Accepted, AskBody, RequestView

router = APIRouter(prefix="/v1/requests", tags=["requests"])


@router.post("", status_code=202, response_model=Accepted)
async def ask(
    body: AskBody, parts: Parts, caller: Requester, channel: CallerChannel, claim: Idempotency
) -> JSONResponse:
    """Ask in plain words. The answer, a question, a refusal or proposals follow under the request's id."""
    return (await service.receive(parts, body.text, caller, channel, claim)).response()


@router.get("/{request_id}")
async def show(request_id: str, parts: Parts, _: Reader) -> RequestView:
    """Show a request and what came of it."""
    return await service.show(parts, request_id)
