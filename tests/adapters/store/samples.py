"""Rows for the store's tests."""

from __future__ import annotations

from datetime import timedelta

from adapters.store import proposals, requests
from adapters.store.database import Database
from contracts.base import new_id, utc_now
from contracts.principal import Principal
from contracts.proposal import Draft, Proposal
from contracts.request import Channel, Request, Trust
from tests.contracts.samples import ANA, proposal


def request(text: str = "scale inference to 4", requester: Principal = ANA) -> Request:
    return Request(
        id=new_id("req"),
        tenant="default",
        requester=requester,
        channel=Channel.API,
        text=text,
        trust=Trust.TRUSTED,
        received_at=utc_now(),
    )


def fresh_proposal(**changes: object) -> Proposal:
    now = utc_now()
    fields: dict[str, object] = {
        "id": new_id("prp"),
        "created_at": now,
        "decide_by": now + timedelta(hours=4),
        "execute_by": now + timedelta(hours=5),
    }
    return proposal(**(fields | changes))


def draft_of(whole: Proposal) -> Draft:
    return Draft.model_validate(whole.model_dump(exclude={"observation", "precondition"}))


async def stored_request(database: Database) -> Request:
    made = request()
    async with database.transaction() as connection:
        await requests.create(connection, made)
    return made


async def stored_proposal(database: Database, **changes: object) -> Proposal:
    made = fresh_proposal(**changes)
    async with database.transaction() as connection:
        await proposals.create(connection, draft_of(made))
    return made
