"""REQUEST intake: store it, then hand it to Temporal. Once stored it cannot be lost (design §4)."""

from __future__ import annotations

from adapters.store import outbox, proposal_reads, requests
from adapters.store.database import database_now
from adapters.store.outbox import OutboxKind
from api.handoff import HANDOFF_DELAY, hand_off
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import not_found
from api.requests.schemas import Accepted, RequestView
from contracts.base import new_id
from contracts.messages import RequestInput
from contracts.principal import Principal
from contracts.request import Channel, Request, RequestStatus, Trust


async def receive(parts: ApiParts, text: str, caller: Principal, channel: Channel, claim: Claim) -> Answer:
    """Store a chat request with its outbox row in one transaction, then try Temporal; 202 either way."""
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        request = Request(
            id=new_id("req"),
            tenant=parts.tenant,
            requester=caller,
            channel=channel,
            text=text,
            trust=Trust.TRUSTED,
            received_at=await database_now(connection),
        )
        await requests.create(connection, request)
        row = await outbox.put(connection, OutboxKind.START_REQUEST, request.id, delay=HANDOFF_DELAY)
        answer = await claim.keep(connection, Answer.of(202, Accepted(request_id=request.id)))
    start = RequestInput(request=request, public_keys=dict(parts.public_keys))
    await hand_off(parts, row, parts.gateway.start_request(start))
    return answer


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
    request = Request.model_validate(row.document)
    return RequestView(
        request_id=request.id,
        status=RequestStatus(row.status),
        answer=row.answer,
        reason_code=row.reason_code,
        proposal_ids=tuple(proposal_ids),
        text=request.text,
        requester=f"{request.requester.issuer}/{request.requester.subject}",
        channel=request.channel,
        received_at=request.received_at,
        closed_at=row.closed_at,
    )
