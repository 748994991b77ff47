from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.async_api import Page, expect

from contracts.evaluation import Outcome, RiskTier
from contracts.proposal import Proposal
from contracts.proposal import ProposalState as S
from tests.api.serving import is_signed
from tests.browser import PHONE, axe
from tests.contracts.samples import AGENT, ANA, resize
from tests.inbox_samples import dev_pool, move, vote, waiting
from tests.web.inbox.scenes import CLEO, twins
from tests.web.site import Site

NAMES = ("ci-runners", "ci-runners-arm", "load-tests")


async def opened(site: Site, page: Page) -> None:
    await page.goto("/")
    await page.get_by_role("link", name="Look at them together").click()
    await page.get_by_role("heading", level=1).wait_for()


async def test_identical_low_risk_changes_are_approved_with_one_press_each_signed(site: Site) -> None:
    made = await twins(site.api.database, *NAMES)
    async with site.visit("ben") as visit:
        page = visit.page
        await opened(site, page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("3 identical low-risk changes")
        await axe(page)
        await page.get_by_role("button", name="Approve all 3").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You approved 3 of 3")
        await axe(page)
    decided = site.api.gateway.decided
    assert {one.decision.proposal_id for one in decided} == {one.id for one in made}
    assert {one.decision.proposal_digest for one in decided} == {one.digest for one in made}
    assert len({one.decision.id for one in decided}) == 3
    assert all(is_signed(one, site.api.parts) for one in decided)


async def test_sending_the_same_form_again_decides_nothing_more(site: Site) -> None:
    await twins(site.api.database, *NAMES)
    async with site.visit("ben") as visit:
        page = visit.page
        await opened(site, page)
        await page.get_by_role("button", name="Approve all 3").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You approved 3 of 3")
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You approved 3 of 3")
    assert len(site.api.gateway.decided) == 3


async def test_whoever_signs_in_after_another_does_not_decide_by_their_page(site: Site) -> None:
    await twins(site.api.database, *NAMES)
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 409")
        await opened(site, visit.page)
        await visit.context.add_cookies([await site.cookie("cleo")])  # type: ignore[list-item]
        await visit.page.get_by_role("button", name="Approve all 3").click()
        await visit.page.get_by_text("Somebody else signed in in this browser").wait_for()
    assert site.api.gateway.decided == []


async def test_a_rejection_of_all_needs_words_and_keeps_what_was_chosen(site: Site) -> None:
    await twins(site.api.database, *NAMES)
    async with site.visit("ben", size=PHONE) as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await opened(site, page)
        await page.get_by_label("Why not").select_option("wrong_time")
        await page.get_by_role("button", name="Reject all 3").click()
        await page.get_by_text("a rejection needs a reason").wait_for()
        await axe(page)
        assert await page.get_by_label("Why not").input_value() == "wrong_time"
        assert site.api.gateway.decided == []
        await page.get_by_label("In your words").fill("after the release")
        await page.get_by_role("button", name="Reject all 3").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You rejected 3 of 3")
    said = {(one.decision.reason_name, one.decision.reason) for one in site.api.gateway.decided}
    assert said == {("wrong_time", "after the release")}


async def test_one_that_somebody_else_decided_meanwhile_is_left_alone_and_told(site: Site) -> None:
    made = await twins(site.api.database, *NAMES)
    async with site.visit("ben") as visit:
        page = visit.page
        await opened(site, page)
        await vote(site.api.database, made[1], CLEO)
        await move(site.api.database, made[1], S.READY)
        await page.get_by_role("button", name="Approve all 3").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You approved 2 of 3")
        line = page.locator(f"#result-{made[1].id}")
        await expect(line).to_contain_text(re.compile(r"cleo approved it \d+ s ago"))
        await expect(line).to_contain_text("already_decided")
        await axe(page)
    assert {one.decision.proposal_id for one in site.api.gateway.decided} == {made[0].id, made[2].id}


async def test_one_can_be_left_out(site: Site) -> None:
    made = await twins(site.api.database, *NAMES)
    async with site.visit("ben") as visit:
        page = visit.page
        await opened(site, page)
        await page.locator(f"#row-{made[0].id}").get_by_role("link", name="Leave out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("2 identical low-risk changes")
        await page.get_by_role("button", name="Approve all 2").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You approved 2 of 2")
    assert made[0].id not in {one.decision.proposal_id for one in site.api.gateway.decided}


DEVELOPMENT: dict[str, Any] = {"environment": "development", "team": "platform", "sizes": (2, 2)}
STRANGERS: dict[str, dict[str, Any]] = {
    "a medium risk": {"action": dev_pool("x", 3), "risk": RiskTier.MEDIUM, **DEVELOPMENT},
    "other desired values": {"action": dev_pool("x", 4), "risk": RiskTier.LOW, **DEVELOPMENT},
    "production": {"action": resize(3), "risk": RiskTier.LOW, "sizes": (2, 2)},
    "no way back": {"action": dev_pool("x", 3), "risk": RiskTier.LOW, **DEVELOPMENT, "sizes": (2, 3)},
    "an agent that asks": {
        "action": dev_pool("x", 3),
        "risk": RiskTier.LOW,
        "authors": (AGENT, ANA),
        **DEVELOPMENT,
    },
    "another requirement": {
        "action": dev_pool("x", 3),
        "risk": RiskTier.LOW,
        "judgement": {"quorum": 2},
        **DEVELOPMENT,
    },
    "other verdicts": {
        "action": dev_pool("x", 3),
        "risk": RiskTier.LOW,
        "judgement": {
            "outcomes": {"policy": Outcome.REQUIRE_APPROVAL, "approval_rule": Outcome.REQUIRE_APPROVAL}
        },
        **DEVELOPMENT,
    },
}


async def form_of(site: Site, made: list[Proposal], *, by: str = "ben", **changes: str) -> httpx.Response:
    """Send a form as a browser would, with whatever in it."""
    cookie = await site.cookie(by)
    items = []
    for one in made:
        view = await site.api.view(one.id)
        items.append(("item[]", f"{one.id}|1|{view['digest']}|{view['evaluation_digest']}"))
    fields = {"decision": "approve", "idempotency_key": "web_test"} | changes
    async with httpx.AsyncClient(
        base_url=site.url, cookies={cookie["name"]: cookie["value"]}, trust_env=False
    ) as http:
        return await http.post(
            "/together",
            content=urlencode([*fields.items(), *items]),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Sec-Fetch-Site": "same-origin",
                "Origin": site.url,
            },
        )


@pytest.mark.parametrize("name", STRANGERS)
async def test_a_form_with_one_that_does_not_belong_is_refused_as_a_whole(site: Site, name: str) -> None:
    made = await twins(site.api.database, *NAMES)
    stranger = await waiting(site.api.database, **STRANGERS[name])
    answer = await form_of(site, [*made, stranger])
    assert answer.status_code == 422
    assert "same low-risk change" in answer.text
    assert site.api.gateway.decided == []
    assert await site.api.count("decisions") == 0
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        assert await visit.page.locator("[id^=group-]").inner_text() != ""
        await visit.page.get_by_role("link", name="Look at them together").click()
        assert await visit.page.locator(f"#row-{stranger.id}").count() == 0


async def test_a_digest_that_was_changed_in_the_form_decides_nothing_for_that_one(site: Site) -> None:
    made = await twins(site.api.database, *NAMES)
    stale = made[0].model_copy(update={"id": made[0].id})
    view = await site.api.view(stale.id)
    good = await form_of(site, made[1:], item="ignored")
    assert good.status_code == 200
    wrong = "sha256:" + "0" * 64
    cookie = await site.cookie("ben")
    fields = [
        ("decision", "approve"),
        ("idempotency_key", "web_other"),
        ("item[]", f"{stale.id}|1|{wrong}|{view['evaluation_digest']}"),
    ]
    async with httpx.AsyncClient(base_url=site.url, cookies={cookie["name"]: cookie["value"]}) as http:
        answer = await http.post(
            "/together",
            content=urlencode(fields),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Sec-Fetch-Site": "same-origin",
            },
        )
    assert "stale_digest" in answer.text
    assert stale.id not in {one.decision.proposal_id for one in site.api.gateway.decided}


async def test_whoever_asked_for_them_is_refused_line_by_line(site: Site) -> None:
    made = await twins(site.api.database, *NAMES)
    answer = await form_of(site, made, by="ana")
    assert answer.text.count("not_eligible_requester") == 3
    assert site.api.gateway.decided == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"decision": "request_change"}, "did not offer"),
        ({"decision": ""}, "did not offer"),
        ({"idempotency_key": ""}, "did not offer"),
        ({"decision": "reject", "reason": "x", "reason_name": "because"}, "did not offer"),
    ],
)
async def test_a_form_that_the_page_does_not_offer_is_refused(
    site: Site, changes: dict[str, str], told: str
) -> None:
    made = await twins(site.api.database, *NAMES)
    answer = await form_of(site, made, **changes)
    assert answer.status_code == 422
    assert told in answer.text
    assert await site.api.count("decisions") == 0


async def test_more_than_fifty_or_none_are_refused(site: Site) -> None:
    assert (await form_of(site, [])).status_code == 422
    cookie = await site.cookie("ben")
    async with httpx.AsyncClient(base_url=site.url, cookies={cookie["name"]: cookie["value"]}) as http:
        many = urlencode([("id", f"prp_{place}") for place in range(51)])
        answer = await http.get(f"/together?{many}")
    assert answer.status_code == 422
    assert "1 to 50" in answer.text
