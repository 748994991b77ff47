from __future__ import annotations

import asyncio
from datetime import timedelta

from playwright.async_api import expect

from contracts.base import utc_now
from contracts.proposal import ProposalState as S
from tests.browser import CUT
from tests.inbox_samples import move, vote, waiting
from tests.web.inbox.scenes import CLEO
from tests.web.site import Site


async def test_new_lines_are_announced_and_do_not_move_what_is_read(site: Site) -> None:
    now = utc_now()
    first = await waiting(site.api.database, decide_by=now + timedelta(hours=2))
    async with site.visit("ben") as visit:
        page = visit.page
        await page.goto("/")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        await page.keyboard.press("j")
        sooner = await waiting(site.api.database, decide_by=now + timedelta(hours=1))
        await expect(page.locator("#news")).to_contain_text("1 new")
        assert await page.locator("#news").get_attribute("role") == "status"
        assert await page.locator("[data-row]").count() == 1
        focused = await page.evaluate("document.activeElement.closest('tr').id")
        assert focused == f"row-{first.id}"
        await waiting(site.api.database)
        await expect(page.locator("#news")).to_contain_text("2 new")
        await page.locator("#news").get_by_role("link").click()
        await expect(page.locator("[data-row]")).to_have_count(3)
        assert await page.locator("[data-row]").first.get_attribute("id") == f"row-{sooner.id}"
        await expect(page.locator("#news")).to_be_empty()


async def test_a_line_that_somebody_else_decides_says_so_in_its_place(site: Site) -> None:
    made = [await waiting(site.api.database) for _ in range(3)]
    async with site.visit("ben") as visit:
        page = visit.page
        await page.goto("/")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        before = await page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.id)")
        middle = next(one for one in made if before[1] == f"row-{one.id}")
        await vote(site.api.database, middle, CLEO)
        await move(site.api.database, middle, S.READY)
        line = page.locator(f"#row-{middle.id}")
        await expect(line).to_contain_text("Approved by cleo")
        assert await page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.id)") == before
        await expect(page.locator("#tab-mine")).to_have_text("Mine 2")
        await page.reload()
        assert await line.count() == 0


async def test_a_full_stop_of_the_wait_shows_itself_in_an_empty_inbox(site: Site) -> None:
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        await expect(visit.page.locator("html")).to_have_attribute("data-connection", "live")
        await visit.page.get_by_text("Nothing waits for you").wait_for()
        made = await waiting(site.api.database)
        await visit.page.locator(f"#row-{made.id}").wait_for()


async def test_200_changes_while_typing_lose_neither_a_letter_nor_the_caret(site: Site) -> None:
    made = [await waiting(site.api.database) for _ in range(4)]
    typed = "resize inference in production please"

    async def change() -> None:
        for _ in range(200):
            await site.api.post(f"/v1/proposals/{made[0].id}/comments", {"text": "still looking"}, by="ana")

    async with site.visit("ben") as visit:
        page = visit.page
        await page.goto("/")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        await page.get_by_text("Search and filter this list").click()
        field = page.get_by_label("Words")
        changing = asyncio.ensure_future(change())
        await field.press_sequentially(typed, delay=60)
        await page.keyboard.press("Home")
        for _ in range(7):
            await page.keyboard.press("ArrowRight")
        await changing
        await page.wait_for_timeout(1_500)
        caret = await page.evaluate(
            "[document.activeElement.id, document.activeElement.selectionStart, document.activeElement.value]"
        )
        assert caret == ["field-q", 7, typed]
        await page.keyboard.type("the ")
        assert await field.input_value() == typed[:7] + "the " + typed[7:]


async def test_a_refresh_keeps_the_place_in_a_long_list(site: Site) -> None:
    now = utc_now()
    made = [
        await waiting(site.api.database, decide_by=now + timedelta(minutes=60 + place)) for place in range(40)
    ]
    async with site.visit("ben") as visit:
        page = visit.page
        await page.goto("/")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        line = page.locator(f"#row-{made[30].id}")
        await line.scroll_into_view_if_needed()
        before = await line.bounding_box()
        await waiting(site.api.database, decide_by=now + timedelta(minutes=30))
        await expect(page.locator("#news")).to_contain_text("1 new")
        assert await page.evaluate("scrollY") > 0
        # Where it is in the window; the notice above it pushed the page down by its own height.
        assert await line.bounding_box() == before


async def test_without_a_connection_the_age_of_the_list_is_told_and_decisions_are_off(site: Site) -> None:
    await waiting(site.api.database)
    async with site.visit("ben") as visit:
        visit.expect_fault(*CUT)
        await visit.page.goto("/")
        await expect(visit.page.locator("html")).to_have_attribute("data-connection", "live")
        await visit.context.set_offline(True)
        await expect(visit.page.locator("#offline")).to_be_visible()
        await expect(visit.page.locator("#offline")).to_contain_text("old")
        assert await visit.page.locator("[data-row]").count() == 1
