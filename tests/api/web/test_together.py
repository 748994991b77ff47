"""What becomes of several that are decided together, told to whoever decided."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api.web.inbox import together
from contracts.proposal import ProposalState as S
from tests.api.serving import Api, serving
from tests.contracts.samples import BEN
from tests.inbox_samples import move, vote
from tests.web.inbox.scenes import twins


@pytest.fixture
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served


@pytest.mark.parametrize(("issuer", "subject"), [("local", "ben"), ("https://sso", "main/ben")])
async def test_whoever_has_voted_is_not_told_that_somebody_else_was_faster(
    api: Api, issuer: str, subject: str
) -> None:
    me = BEN.model_copy(update={"issuer": issuer, "subject": subject})
    made = await twins(api.database, "ci-runners", "load-tests")
    shown = await together.read(api.parts, me, [one.id for one in made])
    for one in made:
        await vote(api.database, one, me)
        await move(api.database, one, S.READY)
    form = [("decision", "approve"), ("idempotency_key", "web_again")]
    form += [("item[]", together.item_of(row)) for row in shown.rows]
    told = [one.said for one in await together.decide(api.parts, me, together.fields_of(form))]
    assert told == ["It waits for nobody any more: it is ready."] * 2
