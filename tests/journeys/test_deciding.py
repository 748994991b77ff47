"""An approver's day, in a browser: sign in, see, decide, be told what came of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser_people import Office, facts_seen
from tests.e2e.practice_ground import CRITICAL, PRODUCTION, STAGING, Ground, Place

ALL_FACTS = list(range(1, 11))


def name_of(place: Place, pool: str = "web") -> str:
    """The target as a person types it."""
    return place.pool(pool)


async def state_is(page: Page, words: str) -> None:
    """The page tells the state, without being loaded again."""
    await expect(page.locator("#proposal")).to_contain_text(re.compile(words, re.IGNORECASE))


async def test_an_approver_decides_from_the_inbox_in_two_clicks_and_follows_it_to_the_end(
    office: Office,
) -> None:
    place = office.stack.place(STAGING)
    proposal_id = await office.waiting(place)
    async with office.desk("approver") as visit:
        page = visit.page
        await page.locator(f'a[href="/proposals/{proposal_id}"]').first.click()
        approve = page.get_by_role("button", name="Approve", exact=True)
        await expect(approve).to_be_enabled()
        assert await facts_seen(page) == ALL_FACTS
        await approve.click()
        await state_is(page, "succeeded|done and verified")
    assert office.stack.sizes_set(place) == [2]
    shown = await office.stack.show(proposal_id)
    assert [vote["reviewer"]["subject"] for vote in shown["approvals"]] == ["approver"]


async def test_production_asks_to_type_the_name_of_the_target(office: Office) -> None:
    place = office.stack.place(PRODUCTION)
    proposal_id = await office.waiting(place)
    async with office.desk("approver", f"/proposals/{proposal_id}") as visit:
        page = visit.page
        approve = page.get_by_role("button", name="Approve", exact=True)
        await expect(approve).to_be_disabled()
        field = page.get_by_label("to confirm")
        await field.fill(name_of(place) + "x")
        await expect(approve).to_be_disabled()
        await field.fill(name_of(place))
        await expect(approve).to_be_enabled()
        await approve.click()
        await state_is(page, "succeeded|done and verified")
    assert office.stack.sizes_set(place) == [2]


async def test_a_rejection_has_a_named_reason_and_nothing_runs(office: Office) -> None:
    place = office.stack.place(PRODUCTION)
    proposal_id = await office.waiting(place)
    async with office.desk("approver", f"/proposals/{proposal_id}") as visit:
        page = visit.page
        await page.get_by_label("Reason or comment").fill("the queue is gone already")
        await page.get_by_label("Why not").select_option("not_needed")
        await page.get_by_role("button", name="Reject", exact=True).click()
        await state_is(page, "rejected")
        await state_is(page, "the queue is gone already")
    shown = await office.stack.until(proposal_id, "rejected")
    assert shown["approvals"][0]["reason_name"] == "not_needed"
    assert office.stack.sizes_set(place) == []


async def test_a_proposal_that_nobody_decides_expires_before_the_eyes_of_the_approver(
    office: Office, hasty_configuration: str
) -> None:
    place = office.stack.place(PRODUCTION)
    async with office.stack.beside("api", SLUICE_CONFIG=hasty_configuration) as (_, url):
        office.stack.meet("hurried", office.stack.tokens["requester"], url)
        proposal_id = await office.stack.propose(place.resize(2), by="hurried")
        await office.stack.until(proposal_id, "awaiting_approval")
        async with office.desk("approver", f"/proposals/{proposal_id}") as visit:
            await state_is(visit.page, "expired")
            await state_is(visit.page, "nothing ran")
            await expect(visit.page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    assert office.stack.sizes_set(place) == []


async def test_whoever_comes_second_is_told_who_was_first_and_keeps_their_words(office: Office) -> None:
    place = office.stack.place(STAGING)
    proposal_id = await office.waiting(place)

    async def be_overtaken(route: Route) -> None:
        answer = await office.stack.decide(proposal_id)
        assert answer.status_code == 200, answer.text
        await route.continue_()

    async with office.desk("approver2", f"/proposals/{proposal_id}") as visit:
        visit.expect_fault("status of 409")
        page = visit.page
        await page.route(f"**/proposals/{proposal_id}/decisions", be_overtaken)
        await page.get_by_label("Reason or comment").fill("looks right to me too")
        await page.get_by_role("button", name="Approve", exact=True).click()
        await state_is(page, "approver approved")
        # Also when the page has changed again since, up to the end of what the other one approved.
        await state_is(page, "succeeded|done and verified")
        fields = page.locator("textarea:visible")
        written = await fields.evaluate_all("(fields) => fields.map((field) => field.value)")
        assert "looks right to me too" in written


async def test_whoever_asked_is_told_who_can_decide_instead(office: Office) -> None:
    place = office.stack.place(PRODUCTION)
    proposal_id = await office.waiting(place)
    async with office.desk("requester", f"/proposals/{proposal_id}") as visit:
        page = visit.page
        await expect(page.locator("#decision")).to_contain_text("You asked for this")
        await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
        refused = await page.request.post(
            f"/proposals/{proposal_id}/decisions",
            headers={"Origin": office.stack.url, "Sec-Fetch-Site": "same-origin"},
            form={
                "decision": "approve",
                **await what_is_shown(office, proposal_id),
                "typed_name": place.pool(),
            },
        )
        assert refused.status == 403
    assert (await office.stack.show(proposal_id))["approvals"] == []


async def what_is_shown(office: Office, proposal_id: str) -> dict[str, str]:
    """The fields of the form that bind a decision to what was shown."""
    shown = await office.stack.show(proposal_id)
    bound = ("revision", "digest", "evaluation_digest")
    return {name: str(shown[name]) for name in bound} | {"idempotency_key": "by-hand"}


async def test_two_people_are_needed_where_two_are_asked_for(office: Office) -> None:
    place = office.stack.place(CRITICAL)
    proposal_id = await office.waiting(place)
    async with (
        office.desk("approver", f"/proposals/{proposal_id}") as first,
        office.desk("approver2", f"/proposals/{proposal_id}") as second,
    ):
        for visit, count in ((first, "1 of 2"), (second, "2 of 2")):
            field = visit.page.get_by_label("to confirm")
            if await field.count():
                await field.fill(name_of(place))
            await visit.page.get_by_role("button", name="Approve", exact=True).click()
            await state_is(visit.page, count)
        for visit in (first, second):
            await state_is(visit.page, "succeeded|done and verified")


async def test_what_was_done_can_be_proposed_back_in_one_form(office: Office) -> None:
    place = office.stack.place(STAGING)
    proposal_id = await office.waiting(place, 3)
    await office.stack.approve(proposal_id)
    await office.stack.until(proposal_id, "succeeded")
    async with office.desk("requester", f"/proposals/{proposal_id}") as visit:
        page = visit.page
        await page.get_by_label("Why").fill("the spike is over")
        await page.get_by_role("button", name="Propose to undo").click()
        await page.wait_for_url(lambda url: "/proposals/" in url and proposal_id not in url)
        back = page.url.rsplit("/", 1)[-1].split("?")[0]
        await state_is(page, "awaiting approval|waits")
    await office.stack.approve(back)
    await office.stack.until(back, "succeeded")
    assert office.stack.sizes_set(place) == [3, 1]


async def test_a_request_in_chat_becomes_a_proposal_that_only_its_page_decides(office: Office) -> None:
    place = office.stack.place(PRODUCTION)
    target = f"{place.cluster}/web"
    async with office.desk("requester", "/chat") as visit:
        page = visit.page
        composer = page.get_by_label("Your request")
        await composer.fill(f"scale {target} to 2 nodes per zone")
        await composer.press("Enter")
        card = page.locator('main a[href^="/proposals/prp_"]').first
        await card.wait_for()
        proposal_id = (await card.get_attribute("href") or "").rsplit("/", 1)[-1]
        await office.stack.until(proposal_id, "awaiting_approval")
        await composer.fill("approve")
        await composer.press("Enter")
        said = "Nothing that is written here decides"
        await expect(page.locator("#transcript")).to_contain_text(said)
        await card.click()
        await page.wait_for_url(f"**/proposals/{proposal_id}")
    shown = await office.stack.show(proposal_id)
    assert (shown["state"], shown["approvals"]) == ("awaiting_approval", [])


@pytest.fixture(scope="module")
def hasty_configuration(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory: Path = tmp_path_factory.mktemp("hasty")
    _, configuration = Ground(12).write(directory, decide_within="9s", execute_within="60s")
    return str(configuration)
