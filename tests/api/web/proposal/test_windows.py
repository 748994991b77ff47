"""A proposal that is held on a closed window: when it opens, who may override it, and the form for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape

import pytest

from adapters.store import overrides
from contracts.holds import on_window
from tests.api.safety.test_exceptions import window
from tests.api.serving import CONFIGURATION, Api, serving
from tests.api.web.proposal.out_of_the_ordinary import hold

OPERATORS = ["operator"]


async def waiting_on(api: Api, held_on: str) -> str:
    """A proposal that was approved, and is held."""
    proposal_id = str((await api.waiting())["id"])
    await hold(api, proposal_id, held_on)
    return proposal_id


async def panel(api: Api, proposal_id: str, by: str) -> str:
    async with api.browser(by) as browser:
        page = (await browser.get(f"/proposals/{proposal_id}")).text
    return unescape(page.split('id="decision"')[1].split("</aside>")[0])


@pytest.fixture(params=[1.0], ids=["opens in time"])
async def frozen(migrated_database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """Everything is frozen, and operators may override that."""
    windows = (window("year-end", "freeze", request.param, override_roles=OPERATORS),)
    configuration = CONFIGURATION.model_copy(update={"windows": windows})
    async with serving(migrated_database_url, configuration=configuration) as made:
        yield made


@pytest.mark.parametrize("by", ["ben", "vera"])
async def test_others_are_told_when_it_opens_and_who_may_override(frozen: Api, by: str) -> None:
    told = await panel(frozen, await waiting_on(frozen, on_window("year-end")), by)
    assert "year-end" in told
    assert "this starts by itself then" in told
    assert "may override that" in told
    assert "Override the window" not in told


async def test_the_named_role_overrides_it_with_a_reason(frozen: Api) -> None:
    proposal_id = await waiting_on(frozen, on_window("year-end"))
    assert "Override the window" in await panel(frozen, proposal_id, "olga")
    fields = {"idempotency_key": "web_1", "reason": ""}
    async with frozen.browser("olga") as browser:
        address, mark = f"/proposals/{proposal_id}/override", {"HX-Request": "true"}
        empty = await browser.post(address, data=fields, headers=mark)
        assert empty.status_code == 422
        assert "Say why it cannot wait." in empty.text
        fields = {"idempotency_key": "web_2", "reason": "The shop is down."}
        done = await browser.post(address, data=fields, headers=mark)
        assert done.status_code == 200, done.text
        assert "Overrode year-end" in done.headers["HX-Trigger"]
    async with frozen.database.reading() as connection:
        (given,) = await overrides.of_proposal(connection, proposal_id)
    assert (given.actor.subject, given.reason) == ("olga", "The shop is down.")


async def test_a_refused_override_keeps_its_words(frozen: Api) -> None:
    proposal_id = await waiting_on(frozen, on_window("year-end"))
    async with frozen.browser("ben") as browser:
        answer = await browser.post(
            f"/proposals/{proposal_id}/override",
            data={"idempotency_key": "web_1", "reason": "The shop is down."},
            headers={"HX-Request": "true"},
        )
    assert answer.status_code == 403
    assert "This needs the role operator." in answer.text


async def test_whoever_asked_does_not_override_for_themselves(frozen: Api) -> None:
    windows = (window("year-end", "freeze", 1, override_roles=["approver", "operator"]),)
    parts = frozen.app.state.parts
    frozen.app.state.parts = replace(
        parts, configuration=CONFIGURATION.model_copy(update={"windows": windows})
    )
    told = await panel(frozen, await waiting_on(frozen, on_window("year-end")), "ana")
    assert "Override the window" not in told


async def test_what_something_else_holds_offers_no_override(frozen: Api) -> None:
    proposal_id = await waiting_on(frozen, "gke.cluster/acme-prod/europe-west4/serving")
    assert "Override the window" not in await panel(frozen, proposal_id, "olga")


@pytest.mark.parametrize("frozen", [100.0], indirect=True, ids=["opens too late"])
async def test_a_window_that_opens_too_late_says_that_it_expires(frozen: Api) -> None:
    told = await panel(frozen, await waiting_on(frozen, on_window("year-end")), "ben")
    assert "without an override this expires" in told
