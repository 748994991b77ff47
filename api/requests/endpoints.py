"""`/v1/requests` and `/v1/conversations`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from api.authentication import Reader, ReaderByTokenOrSession, Requester
from api.channel import CallerChannel
from api.idempotency import Idempotency
from api.parts import Parts
from api.requests import conversations, service
from api.requests.schemas import Accepted, AskBody, ConversationPage, ConversationView, RequestView
from api.requests.watching import Watches, watch
from api.stream.response import EventStream

router = APIRouter(tags=["requests"])


@router.post("/v1/requests", status_code=202, response_model=Accepted)
async def ask(
    body: AskBody, parts: Parts, caller: Requester, channel: CallerChannel, claim: Idempotency
) -> JSONResponse:
    """Ask in plain words. The answer, a question, a refusal or proposals follow under the request's id."""
    asked = service.Asked(body.text, body.conversation_id)
    return (await service.receive(parts, asked, caller, channel, claim)).response()


@router.get("/v1/requests/{request_id}")
async def show(request_id: str, parts: Parts, _: Reader) -> RequestView:
    """Show a request and what came of it."""
    return await service.show(parts, request_id)


@router.get("/v1/requests/{request_id}/progress", status_code=200, response_class=EventStream)
async def progress(
    request_id: str, request: Request, parts: Parts, watches: Watches, caller: ReaderByTokenOrSession
) -> EventStream:
    """Watch the planner at work, as server-sent events: `step`, `text`, and `closed` at the end.

    For looking only. What is streamed here is not stored, and may be repeated or left out.
    """
    return await watch(parts, watches, request, request_id, caller)


@router.get("/v1/conversations")
async def own_conversations(
    parts: Parts, caller: Reader, limit: Annotated[int, Query(ge=1, le=conversations.MAX_PAGE)] = 50
) -> ConversationPage:
    """List the caller's own conversations, the one with the newest turn first."""
    return await conversations.page(parts, caller, limit)


@router.get("/v1/conversations/{conversation_id}")
async def show_conversation(conversation_id: str, parts: Parts, caller: Reader) -> ConversationView:
    """Show one of the caller's own conversations: its turns, their outcomes and proposals."""
    return await conversations.show(parts, conversation_id, caller)
