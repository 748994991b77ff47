"""REQUEST intake: store it, then hand it to Temporal. Once stored it cannot be lost (design §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import conversations, outbox, proposal_reads, requests
from adapters.store.database import database_now
from adapters.store.outbox import OutboxKind
from api.handoff import HANDOFF_DELAY, hand_off
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from api.requests.schemas import Accepted, RequestView
from contracts.base import new_id
from contracts.messages import RequestInput
from contracts.principal import Principal
from contracts.request import Channel, Request, RequestStatus, Trust, Turn


@dataclass(frozen=True)
class Asked:
    """What somebody asks, and the conversation that it continues."""

    text: str
    conversation_id: str | None = None


async def receive(parts: ApiParts, asked: Asked, caller: Principal, channel: Channel, claim: Claim) -> Answer:
    """Store a request with its outbox row in one transaction, then try Temporal; 202 either way.

    Raises:
        Problem: 404 `conversation_not_found`; 409 `turn_open`, the conversation waits for an outcome.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        turns = await _earlier(connection, parts.tenant, asked.conversation_id, caller)
        request = Request(
            id=new_id("req"),
            tenant=parts.tenant,
            requester=caller,
            channel=channel,
            text=asked.text,
            trust=Trust.TRUSTED,
            conversation_id=asked.conversation_id or new_id("cnv"),
            earlier=turns,
            received_at=await database_now(connection),
        )
        await requests.create(connection, request)
        row = await outbox.put(connection, OutboxKind.START_REQUEST, request.id, delay=HANDOFF_DELAY)
        accepted = Accepted(request_id=request.id, conversation_id=request.conversation_id)
        answer = await claim.keep(connection, Answer.of(202, accepted))
    start = RequestInput(request=request, public_keys=dict(parts.public_keys))
    await hand_off(parts, row, parts.gateway.start_request(start))
    return answer


async def _earlier(
    connection: AsyncConnection, tenant: str, conversation_id: str | None, caller: Principal
) -> tuple[Turn, ...]:
    """Return the turns that a planner is shown again, and let no other turn come between."""
    if conversation_id is None:
        return ()
    if not await conversations.lock_own(connection, tenant, conversation_id, caller):
        raise not_found("conversation")
    still_open = await conversations.open_turn(connection, conversation_id)
    if still_open is not None:
        detail = "The turn before this one has no outcome yet. Nothing was sent; send it again then."
        raise Problem(409, "turn_open", detail, request_id=still_open)
    return await conversations.earlier_turns(connection, conversation_id)


async def show(parts: ApiParts, request_id: str) -> RequestView:
    """Return a request with its outcome and proposals.

    Raises:
        Problem: 404.
    """
    async with parts.database.reading() as connection:
        row = await requests.find(connection, parts.tenant, request_id)
        if row is None:
            raise not_found("request")
        proposal_ids = await proposal_reads.of_request(connection, parts.tenant, request_id)
    return RequestView(**view_members(row), proposal_ids=tuple(proposal_ids))


def view_members(row: Row[Any]) -> dict[str, Any]:
    """Return the members of a `RequestView` that the request's own row holds."""
    request = Request.model_validate(row.document)
    return {
        "request_id": request.id,
        "status": RequestStatus(row.status),
        "answer": row.answer,
        "reason_code": row.reason_code,
        "text": request.text,
        "requester": request.requester.spelled,
        "channel": request.channel,
        "conversation_id": request.conversation_id,
        "received_at": request.received_at,
        "closed_at": row.closed_at,
    }
