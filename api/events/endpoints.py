"""`/v1/events`."""

from __future__ import annotations

from fastapi import APIRouter

from api.authentication import Requester
from api.events import service
from api.events.schemas import Taken, WebhookMessage
from api.parts import Parts

router = APIRouter(prefix="/v1/events", tags=["events"])


@router.post("/alertmanager", status_code=202)
async def alertmanager(message: WebhookMessage, parts: Parts, caller: Requester) -> Taken:
    """Take a notification of Alertmanager (webhook version 4). Sending it again changes nothing."""
    return await service.take(parts, message, caller)
