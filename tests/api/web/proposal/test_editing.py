"""Editing on the page: another size becomes a new revision, and nothing typed is lost."""

from __future__ import annotations

from html import unescape
from typing import Any

import httpx
import pytest

from tests.api.serving import Api, decision_on


async def form(api: Api, proposal_id: str, **changes: str) -> dict[str, str]:
    view = await api.view(proposal_id)
    given = {
        "idempotency_key": "web_1",
        "digest": view["digest"],
        "node_count": "3",
        "reason": "Half is enough.",
    }
    return given | changes


async def edit(browser: httpx.AsyncClient, proposal_id: str, fields: dict[str, str]) -> httpx.Response:
    return await browser.post(
        f"/proposals/{proposal_id}/revisions", data=fields, headers={"HX-Request": "true"}
    )


async def waiting(api: Api) -> str:
    view: dict[str, Any] = await api.waiting()
    return str(view["id"])


async def test_an_edit_is_a_new_revision_whose_page_shows_who_changed_what(api: Api) -> None:
    proposal_id = await waiting(api)
    async with api.browser("ben") as browser:
        answer = await edit(browser, proposal_id, await form(api, proposal_id, reason_name="too_large"))
        assert answer.status_code == 200, answer.text
        page = unescape((await browser.get(f"/proposals/{proposal_id}")).text)
    view = await api.view(proposal_id)
    assert (view["revision"], view["action"]["node_count"]) == (2, 3)
    revisions = page.split('id="revisions"')[1].split("</section>")[0]
    assert "Revision 2" in revisions
    assert "ben" in revisions
    assert "Half is enough." in revisions
    assert "Too large" in revisions
    assert 'class="diff-before">4<' in revisions
    assert 'class="diff-after">3<' in revisions


async def test_an_edit_of_what_was_not_shown_is_refused_and_keeps_what_was_typed(api: Api) -> None:
    proposal_id = await waiting(api)
    async with api.browser("ben") as browser:
        stale = await form(api, proposal_id, digest="sha256:" + "0" * 64)
        answer = await edit(browser, proposal_id, stale)
    assert answer.status_code == 409
    assert "out of date" in answer.text
    assert "Half is enough.</textarea>" in answer.text
    assert 'name="node_count" type="number" value="3"' in answer.text
    assert (await api.view(proposal_id))["revision"] == 1


async def test_words_of_an_edit_that_came_too_late_become_a_comment(api: Api) -> None:
    proposal_id = await waiting(api)
    fields = await form(api, proposal_id)
    cancelled = await api.post(f"/v1/proposals/{proposal_id}/cancel", {"reason": "no"}, by="olga")
    assert cancelled.status_code == 200
    async with api.browser("ben") as browser:
        answer = await edit(browser, proposal_id, fields)
    assert answer.status_code == 409
    kept = answer.text.split('id="kept-field-reason"')[1]
    assert "Half is enough.</textarea>" in kept


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"node_count": "three"}, "Give a whole number of nodes."),
        ({"node_count": "-1"}, "Give a whole number of nodes."),
        ({"node_count": "4"}, "These are the values it has already."),
        ({"reason": " "}, "Say why, so that whoever approves knows."),
        ({"digest": ""}, "does not say what you saw"),
        ({"reason_name": "because"}, "did not offer"),
    ],
)
async def test_an_edit_that_says_nothing_usable_is_told_so(
    api: Api, changes: dict[str, str], told: str
) -> None:
    proposal_id = await waiting(api)
    async with api.browser("ben") as browser:
        answer = await edit(browser, proposal_id, await form(api, proposal_id, **changes))
    assert answer.status_code == 422
    assert told in unescape(answer.text)
    assert (await api.view(proposal_id))["revision"] == 1


@pytest.mark.parametrize(("by", "offered"), [("ana", True), ("ben", True), ("olga", True), ("vera", False)])
async def test_the_form_is_offered_to_those_who_may_edit_while_it_waits(
    api: Api, by: str, offered: bool
) -> None:
    proposal_id = await waiting(api)
    async with api.browser(by) as browser:
        page = (await browser.get(f"/proposals/{proposal_id}")).text
        assert ('id="edit-size"' in page) is offered
        await api.post(f"/v1/proposals/{proposal_id}/cancel", {"reason": "no"}, by="olga")
        assert 'id="edit-size"' not in (await browser.get(f"/proposals/{proposal_id}")).text


async def test_a_size_in_the_address_opens_the_form_with_it_and_changes_nothing(api: Api) -> None:
    proposal_id = await waiting(api)
    async with api.browser("ben") as browser:
        page = (await browser.get(f"/proposals/{proposal_id}", params={"node_count": 3})).text
        assert (
            await browser.get(f"/proposals/{proposal_id}", params={"node_count": "many"})
        ).status_code == 422
    assert '<details class="disclosure" open id="edit">' in page
    assert 'name="node_count" type="number" value="3"' in page
    assert (await api.view(proposal_id))["revision"] == 1


async def test_a_vote_of_mine_is_told_and_can_be_changed_or_withdrawn(api: Api) -> None:
    proposal_id = await waiting(api)
    view = await api.view(proposal_id)
    voted = await api.post(
        f"/v1/proposals/{proposal_id}/decisions", decision_on(view, "request_change"), by="ben"
    )
    assert voted.status_code == 200, voted.text
    async with api.browser("ben") as browser:
        page = unescape((await browser.get(f"/proposals/{proposal_id}")).text)
        panel = page.split('id="decision"')[1].split("</aside>")[0]
        assert 'Your vote: <strong class="font-semibold">request change</strong>' in panel
        assert "Change or withdraw" in panel
        offered = [
            one for one in ("approve", "reject", "request_change", "withdraw") if f'value="{one}"' in panel
        ]
        assert offered == ["approve", "reject", "withdraw"]
        fields = {
            "idempotency_key": "web_2",
            "revision": str(view["revision"]),
            "digest": view["digest"],
            "evaluation_digest": view["evaluation_digest"],
            "decision": "withdraw",
            "reason": "",
        }
        answer = await browser.post(
            f"/proposals/{proposal_id}/decisions", data=fields, headers={"HX-Request": "true"}
        )
        assert answer.status_code == 200, answer.text
        assert "Your vote:" not in answer.text
        assert "took it back" in answer.text
        assert 'value="approve"' in answer.text
