from __future__ import annotations

import asyncio

from playwright.async_api import Route, expect

from tests.browser import axe
from tests.web.site import Site


async def test_a_page_that_is_not_there_says_so_and_names_the_trace(site: Site) -> None:
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 404")
        await visit.page.goto("/nowhere")
        alert = visit.page.get_by_role("alert")
        await alert.wait_for()
        assert "404" in await alert.inner_text()
        assert "Trace" in await alert.inner_text()
        await axe(visit.page)


async def test_a_stranger_is_sent_to_sign_in_and_back(site: Site) -> None:
    async with site.visit(None) as visit:
        await visit.page.goto("/shell/waiting")
        assert visit.page.url.startswith(f"{site.url}/login?return_to=%2Fshell%2Fwaiting")


async def test_what_changes_between_the_page_and_its_stream_is_not_missed(site: Site) -> None:
    changed = asyncio.Event()

    async def connect_late(route: Route) -> None:
        await changed.wait()
        await route.continue_()

    await site.api.propose()
    async with site.visit("ben") as visit:
        await visit.page.route("**/v1/stream*", connect_late)
        await visit.page.goto("/design")
        await expect(visit.page.locator("#waiting")).to_have_text("")
        await site.api.waiting()
        await site.api.parts.sequencer.advance()
        changed.set()
        await expect(visit.page.locator("#waiting")).to_have_text("1 waiting for you")
