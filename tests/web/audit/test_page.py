"""The audit log in a real browser."""

from __future__ import annotations

import csv
import io

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from adapters.audit.verify import verify_export
from adapters.store import audit_log
from contracts.proposal import Planner, PlannerKind
from contracts.request import Trust
from tests.api.audit.story import S, Story
from tests.browser import PHONE, axe, has_no_sideways_scroll
from tests.contracts.samples import AGENT, ANA
from tests.web.audit.told import tell
from tests.web.site import Site

UNDER_THE_BAR = "is overlapped by another element"
"""Axe cannot judge colours below the bar that stays on top of the window while one scrolls."""
SCROLLS = "partially obscured by another element"
"""Nor those of tabs and code that one scrolls sideways to."""
HOSTILE = "<img src=x onerror=alert(1)> \u202egnp.exe https://evil.test " + "A" * 400


def waiting(story: Story) -> Story:
    return story.waiting()


async def verify(page: Page) -> None:
    await page.get_by_role("button", name="Verify").click()
    await page.get_by_text("The log is", exact=False).first.wait_for()
    await expect(page.get_by_role("button", name="Verify again")).to_be_visible()


async def test_the_log_is_accessible_on_a_phone_before_and_after_verifying(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.visit("vera", theme="dark", size=PHONE) as visit:
        page = visit.page
        await page.goto("/audit")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
        await axe(page)
        await page.get_by_text("Types of events").click()
        await page.locator("main tbody details summary").first.click()
        await page.locator("pre.code-block").first.wait_for()
        await verify(page)
        await axe(page, explained=(UNDER_THE_BAR, SCROLLS))
        assert await has_no_sideways_scroll(page)


async def test_filters_stand_in_the_address_and_narrow_the_list(site: Site) -> None:
    proposal_id = await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto("/audit")
        await page.get_by_label("About").fill(proposal_id)
        await page.get_by_text("Types of events").click()
        await page.get_by_label("proposal.moved").check()
        await page.get_by_role("button", name="Filter").click()
        await page.wait_for_url("**/audit?*")
        assert f"subject={proposal_id}" in page.url
        assert "type=proposal.moved" in page.url
        rows = page.locator("main tbody tr")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("Evaluating → awaiting approval")
        await page.get_by_role("link", name="Clear").click()
        await expect(rows.nth(1)).to_be_attached()


async def test_a_filter_that_cannot_be_read_is_told_beside_its_field(site: Site) -> None:
    async with site.visit("vera") as visit:
        visit.expect_fault("status of 422")
        await visit.page.goto("/audit?since=yesterday")
        field = visit.page.get_by_label("From (UTC)")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(visit.page.get_by_text("Not a time")).to_be_visible()
        await axe(visit.page)


async def test_one_pages_from_the_newest_to_the_first_event(site: Site) -> None:
    for _ in range(5):
        await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto("/audit?type=proposal.created&type=token.issued&type=session.opened")
        first = await page.locator("main tbody tr").count()
        assert first < 50
        await expect(page.get_by_role("button", name="Older")).to_be_disabled()
        await page.goto("/audit?before=5")
        await expect(page.locator("main tbody tr")).to_have_count(5)
        await page.get_by_role("link", name="Newest").click()
        assert page.url.endswith("/audit")


async def test_the_payload_of_an_event_is_one_click_away_and_inert(site: Site) -> None:
    agent = Planner(kind=PlannerKind.OPENAI, model="m", prompt_version="1")
    story = Story(authors=(ANA, AGENT), reason=HOSTILE, planner=agent, trust=Trust.UNTRUSTED)
    async with site.api.database.transaction() as connection:
        await audit_log.append(connection, *(one.event for one in story.events))
    await site.api.parts.sequencer.checkpoint()
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto("/audit?subject=prp_1")
        row = page.locator("main tbody tr").first
        await expect(row.get_by_text("Agent says, unverified")).to_be_visible()
        await row.locator("details summary").click()
        code = row.locator("pre.code-block")
        await expect(code).to_contain_text("onerror")
        await expect(code).to_contain_text("⟨U+202E⟩")
        assert await page.locator("main img, main script, main a[href*=evil]").count() == 0
        assert await has_no_sideways_scroll(page)


async def test_new_events_are_told_without_moving_the_list(site: Site) -> None:
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto("/audit?type=proposal.created")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        await site.api.propose()
        await site.api.parts.sequencer.checkpoint()
        await page.goto("/audit?type=proposal.created")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        await site.api.propose()
        link = page.get_by_role("link", name="Show 1 new event")
        await expect(link).to_be_visible()
        await expect(page.locator("main tbody tr")).to_have_count(1)
        await link.click()
        await expect(page.locator("main tbody tr")).to_have_count(2)


async def test_verifying_on_screen_says_what_was_checked_and_what_it_does_not_prove(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto("/audit")
        await verify(page)
        panel = page.locator("#verification")
        await expect(panel).to_contain_text("The log is what was signed")
        await expect(panel).to_contain_text(site.api.parts.audit_key.encode())
        await expect(panel).to_contain_text("only a checkpoint kept elsewhere tells")
        await expect(panel.get_by_label("Copy checkpoint")).to_be_visible()
        note = await panel.locator("pre").inner_text()
        await panel.get_by_text("I kept a checkpoint elsewhere").click()
        await panel.get_by_label("The checkpoint you kept").fill(note)
        await panel.get_by_role("button", name="Verify again").click()
        await expect(panel).to_contain_text("The checkpoint that you kept is part of this history")


async def test_a_tampered_log_is_told_in_plain_words_with_the_event(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.api.database.transaction() as connection:
        await connection.execute(text("alter table audit_events disable trigger user"))
        flipped = (
            "update audit_events set leaf = overlay(leaf placing 'X'::bytea from 20 for 1) where number = 4"
        )
        await connection.execute(text(flipped))
    async with site.visit("vera", theme="dark") as visit:
        page = visit.page
        await page.goto("/audit")
        await verify(page)
        panel = page.locator("#verification")
        await expect(panel).to_contain_text("The log is not what was signed")
        await expect(panel).to_contain_text("Event 4 was changed after it was written")
        assert await panel.get_by_label("Copy checkpoint").count() == 0
        await axe(page, explained=(UNDER_THE_BAR,))


async def test_a_kept_checkpoint_that_is_none_is_refused_and_kept_in_its_field(site: Site) -> None:
    async with site.visit("vera") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await page.goto("/audit")
        await page.get_by_text("I kept a checkpoint elsewhere").click()
        await page.get_by_label("The checkpoint you kept").fill("nonsense")
        await page.get_by_role("button", name="Verify the chain").click()
        await expect(page.locator("#verification")).to_contain_text("Not verified")
        await expect(page.get_by_label("The checkpoint you kept")).to_have_value("nonsense")


async def test_the_exports_come_as_files_by_the_browsers_own_session(site: Site) -> None:
    proposal_id = await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto(f"/audit?subject={proposal_id}")
        async with page.expect_download() as started:
            await page.get_by_role("link", name="Export JSON lines").click()
        log = await (await started.value).path()
        assert verify_export(log.read_bytes().splitlines(keepends=True), [site.api.parts.audit_key]).is_sound
        async with page.expect_download() as started:
            await page.get_by_role("link", name="Export CSV").click()
        table = await started.value
        assert table.suggested_filename.endswith(".csv")
        written = (await table.path()).read_text()
        rows = list(csv.DictReader(io.StringIO(written, newline="")))
        assert {row["subject"] for row in rows} == {proposal_id}


async def test_one_event_is_shown_with_its_place_in_the_tree(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.visit("vera", size=PHONE) as visit:
        page = visit.page
        await page.goto("/audit/events/2")
        await expect(page.locator("main")).to_contain_text("Place in the tree")
        await page.get_by_role("link", name="The event after, #3").click()
        await page.wait_for_url("**/audit/events/3")
        await axe(page, explained=(SCROLLS,))
        assert await has_no_sideways_scroll(page)


@pytest.mark.parametrize("state", [S.SUCCEEDED, S.DENIED])
async def test_a_decision_record_tells_the_whole_story_and_prints(site: Site, state: S) -> None:
    def done(story: Story) -> Story:
        if state is S.DENIED:
            return story.denied_at_once()
        story.waiting().approved().started().called().move(S.VERIFYING, "applied").looked(running=4)
        return story.posted("commit").move(S.SUCCEEDED, "verified")

    proposal_id = await tell(site.api, done)
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto(f"/audit/proposals/{proposal_id}")
        record = page.get_by_role("article")
        headline = "Succeeded: the change was made once" if state is S.SUCCEEDED else "Denied by blast radius"
        await expect(record).to_contain_text(headline)
        await axe(page)
        number = record.locator(".record-sentences a").first
        await number.click()
        await page.wait_for_url("**/audit/events/*")
        await page.go_back()
        await page.emulate_media(media="print")
        assert not await page.get_by_role("navigation", name="Main").is_visible()
        assert not await page.get_by_role("button", name="Print").is_visible()
        assert await record.is_visible()


async def test_a_record_follows_its_proposal_until_it_is_over(site: Site) -> None:
    view = await site.api.waiting()
    await site.api.parts.sequencer.checkpoint()
    async with site.visit("vera", size=PHONE) as visit:
        page = visit.page
        await page.goto(f"/audit/proposals/{view['id']}")
        await expect(page.get_by_role("article")).to_contain_text("Nothing ran so far")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        await site.api.move(view["id"], S.EXPIRED)
        await expect(page.get_by_role("article")).to_contain_text("Expired:")
        await axe(page)
        assert await has_no_sideways_scroll(page)


async def test_there_is_no_record_of_what_is_not_there(site: Site) -> None:
    async with site.visit("vera") as visit:
        visit.expect_fault("status of 404")
        await visit.page.goto("/audit/proposals/prp_none")
        await expect(visit.page.get_by_role("alert")).to_contain_text("Trace")
