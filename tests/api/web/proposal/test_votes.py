"""Votes on the page: groups that are asked, who is away, and votes in the place of somebody."""

from __future__ import annotations

from html import unescape

from tests.api.serving import Api, decision_on
from tests.api.web.proposal.out_of_the_ordinary import ask, lend


async def page(api: Api, proposal_id: str, by: str) -> str:
    async with api.browser(by) as browser:
        return unescape((await browser.get(f"/proposals/{proposal_id}")).text)


async def test_a_group_that_is_asked_and_has_not_approved_is_told(api: Api) -> None:
    proposal_id = str((await api.waiting())["id"])
    await ask(api, proposal_id, quorum=2, groups=("dba",))
    view = await api.view(proposal_id)
    assert view["who_can_decide"]["missing_groups"] == ["dba"]
    voted = await api.post(f"/v1/proposals/{proposal_id}/decisions", decision_on(view), by="ben")
    assert voted.status_code == 200, voted.text
    told = (await page(api, proposal_id, "vera")).split('aria-label="Groups that are asked"')[1]
    assert "<code>dba</code>" in told
    assert "still missing" in told.split("</ul>")[0]


async def test_who_is_away_is_told_with_who_decides_instead(api: Api) -> None:
    await lend(api, "cleo", "vera")
    told = await page(api, str((await api.waiting())["id"]), "ana")
    away = told.split('aria-label="Who is away"')[1].split("</ul>")[0]
    assert "cleo" in away
    assert "is away" in away
    assert "vera" in away


async def test_a_vote_in_the_place_of_somebody_says_in_whose(api: Api) -> None:
    await lend(api, "cleo", "vera")
    view = await api.waiting()
    proposal_id = str(view["id"])
    panel = (await page(api, proposal_id, "vera")).split('id="decision"')[1].split("</aside>")[0]
    assert "You may decide in the place of" in panel
    assert 'value="approve"' in panel
    voted = await api.post(f"/v1/proposals/{proposal_id}/decisions", decision_on(view), by="vera")
    assert voted.status_code == 200, voted.text
    votes = (await page(api, proposal_id, "ben")).split('id="comments"')[1]
    assert "in the place of" in votes
    assert "cleo" in votes
