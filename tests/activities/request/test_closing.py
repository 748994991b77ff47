"""What a request becomes is written for the request that was received, whatever a message says of it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from adapters.store.database import Database
from adapters.store.schema import proposals
from contracts.proposal import Draft
from contracts.request import Channel, Trust
from tests.activities.request.test_coalescing import Intake, database, resize
from tests.contracts.samples import BEN

__all__ = ["database"]


@pytest.mark.parametrize(
    "forged", [{"requester": BEN}, {"trust": Trust.TRUSTED}, {"channel": Channel.CHAT}, {"tenant": "other"}]
)
async def test_who_asked_and_how_is_taken_from_what_was_received(
    database: Database, forged: dict[str, object]
) -> None:
    intake = Intake(database)
    received = await intake.receive()
    await intake.close(received.model_copy(update=forged), resize())
    async with database.reading() as connection:
        (stored,) = (await connection.execute(select(proposals.c.draft))).scalars()
    draft = Draft.model_validate(stored)
    assert (draft.requester, draft.trust) == (received.requester, received.trust)
    assert (draft.channel, draft.tenant) == (received.channel, received.tenant)
