"""The API reference in a real browser."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser import PHONE, axe, has_no_sideways_scroll
from tests.web.site import Site

UNJUDGED = ("is overlapped by another element", "partially obscured by another element")
"""Axe cannot judge colours of what one scrolls to inside the list of operations and inside examples."""


async def test_the_reference_is_accessible_on_a_phone_and_fits(site: Site) -> None:
    async with site.visit("vera", theme="dark", size=PHONE) as visit:
        page = visit.page
        await page.goto("/docs")
        # What the reader asks for, so that axe looks at what is on the screen and not at thousands of cells.
        await page.get_by_label("Filter").fill("decisions")
        await page.locator("#post-v1-proposals-proposal-id-decisions details summary").first.click()
        await axe(page, explained=UNJUDGED)
        assert await has_no_sideways_scroll(page)


async def test_the_filter_leaves_what_holds_every_word(site: Site) -> None:
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto("/docs")
        await page.get_by_label("Filter").fill("post halts")
        await expect(page.locator("#post-v1-halts")).to_be_visible()
        await expect(page.locator("#get-v1-halts")).to_be_hidden()
        await expect(page.get_by_text("2 operations")).to_be_visible()
        await page.get_by_label("Filter").fill("verification_running")
        await expect(page.locator("article:visible")).to_have_count(1)
        await page.get_by_label("Filter").fill("no such thing")
        await expect(page.get_by_text("No operation has that")).to_be_visible()


async def test_an_operation_has_an_address_and_stands_below_the_bar(site: Site) -> None:
    async with site.visit("vera") as visit:
        page = visit.page
        await page.goto("/docs")
        await page.get_by_role("navigation", name="Operations").locator("a[href='#post-v1-halts']").click()
        title = page.locator("#post-v1-halts-title")
        await expect(title).to_be_in_viewport()
        assert page.url.endswith("#post-v1-halts")
        bar = await page.locator(".topbar").bounding_box()
        box = await title.bounding_box()
        assert bar is not None
        assert box is not None
        assert box["y"] >= bar["y"] + bar["height"]


async def test_the_document_is_linked_and_strangers_sign_in_first(site: Site) -> None:
    async with site.visit("vera") as visit:
        await visit.page.goto("/docs")
        link = visit.page.get_by_role("link", name="openapi.json")
        await expect(link).to_have_attribute("href", "/openapi.json")
    async with site.visit(None) as visit:
        await visit.page.goto("/docs")
        assert "/login" in visit.page.url
