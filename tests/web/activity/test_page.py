"""The live feed in a real browser."""

from __future__ import annotations

from playwright.async_api import Page, expect
from sqlalchemy import func, insert, select

from adapters.store.schema import audit_events
from tests.api.audit.story import Story
from tests.browser import CUT, PHONE, axe, has_no_sideways_scroll
from tests.web.audit.told import tell
from tests.web.site import Site

SCROLLS = "partially obscured by another element"
"""Axe cannot judge colours of tabs that one scrolls sideways to."""


def waiting(story: Story) -> Story:
    return story.waiting()


async def follow(page: Page, path: str = "/activity?kind=proposals") -> None:
    await page.goto(path)
    await expect(page.locator("[data-feed-words]")).to_have_text("Live")


async def shown(page: Page) -> list[int]:
    found = await page.locator("#feed [data-number]").evaluate_all(
        "rows => rows.map(row => Number(row.dataset.number))"
    )
    return [int(number) for number in found]


async def test_the_feed_is_accessible_on_a_phone_and_fits(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.visit("vera", theme="dark", size=PHONE) as visit:
        await follow(visit.page, "/activity")
        await axe(visit.page, explained=(SCROLLS,))
        assert await has_no_sideways_scroll(visit.page)


async def test_what_happens_comes_up_by_itself_once_and_on_top(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        page = visit.page
        await follow(page)
        before = await shown(page)
        for _ in range(3):
            await site.api.propose()
        await expect(page.locator("#feed [data-number]")).to_have_count(len(before) + 3)
        numbers = await shown(page)
        assert numbers == sorted(set(numbers), reverse=True)
        await expect(page.locator("#announcer")).to_contain_text("new event")


async def test_while_paused_news_is_counted_and_comes_on_resume(site: Site) -> None:
    async with site.visit("vera") as visit:
        page = visit.page
        await follow(page)
        await expect(page.get_by_text("Nothing like this yet")).to_be_visible()
        await page.get_by_role("button", name="Pause").click()
        await site.api.propose()
        await site.api.propose()
        await expect(page.locator("[data-feed-words]")).to_have_text("Paused: 2 new")
        assert await shown(page) == []
        await axe(page, explained=(SCROLLS,))
        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#feed [data-number]")).to_have_count(2)
        await expect(page.get_by_text("Nothing like this yet")).to_be_hidden()
        await expect(page.locator("[data-feed-words]")).to_have_text("Live")


async def test_filters_hold_for_what_comes_too(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        page = visit.page
        await follow(page, "/activity")
        await page.get_by_label("Environment or target").fill("development")
        await page.get_by_role("button", name="Filter").click()
        await expect(page.locator("[data-feed-words]")).to_have_text("Live")
        assert "place=development" in page.url
        await site.api.propose()
        await page.goto("/activity?place=production&actor=ana")
        await expect(page.locator("#feed [data-number]")).to_have_count(2)
        await page.goto("/activity?place=inference&kind=decisions")
        assert await shown(page) == []


async def test_the_page_keeps_no_more_than_200_lines(site: Site) -> None:
    await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        page = visit.page
        await follow(page, "/activity")
        async with site.api.database.transaction() as connection:
            columns = audit_events.c
            copied = [
                columns.type,
                columns.tenant,
                columns.subject,
                columns.actor,
                columns.leaf,
                columns.created_at,
            ]
            source = select(func.concat("evt_copy_", func.generate_series(1, 260)), *copied).where(
                columns.type == "proposal.created"
            )
            names = ["id", *(column.name for column in copied)]
            await connection.execute(insert(audit_events).from_select(names, source))
        await site.api.parts.sequencer.checkpoint()
        newest = await site.api.count("audit_events") - 1
        await expect(page.locator("#feed [data-number]").first).to_have_attribute("data-number", str(newest))
        assert len(await shown(page)) == 200


async def test_without_a_connection_the_feed_says_so_and_catches_up_afterwards(site: Site) -> None:
    async with site.visit("vera") as visit:
        visit.expect_fault(*CUT)
        page = visit.page
        await follow(page)
        await visit.context.set_offline(True)
        await expect(page.locator("[data-feed-words]")).to_have_text("No connection")
        await site.api.propose()
        await visit.context.set_offline(False)
        await expect(page.locator("#feed [data-number]")).to_have_count(1)


async def test_a_line_leads_to_its_proposal_and_to_the_signed_event(site: Site) -> None:
    proposal_id = await tell(site.api, waiting)
    async with site.visit("vera") as visit:
        await follow(visit.page)
        line = visit.page.locator("#feed [data-number]").first
        target = line.get_by_role("link", name="resize acme-prod/serving/inference")
        await expect(target).to_have_attribute("href", f"/proposals/{proposal_id}")
        await line.get_by_role("link", name="#").click()
        await visit.page.wait_for_url("**/audit/events/*")
