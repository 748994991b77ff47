"""Change windows on the pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, expect

from api.web.operations.windows import WINDOW_WORDS, local_words, place_words
from contracts.configuration import WindowKind, WindowScope
from tests.api.safety.test_exceptions import WINDOWS
from tests.api.serving import CONFIGURATION
from tests.browser import axe
from tests.web.operations.stage import Stage
from tests.web.site import Site, serving_site


def test_each_kind_of_window_has_words_for_now_and_for_what_comes() -> None:
    assert set(WINDOW_WORDS) == {(kind, lasts) for kind in WindowKind for lasts in (True, False)}


@pytest.mark.parametrize(("zone", "shown"), [("UTC", "Sun 29 Mar 00:30"), ("Asia/Tokyo", "Sun 29 Mar 09:30")])
def test_a_moment_is_told_by_the_clock_of_the_window(zone: str, shown: str) -> None:
    assert local_words(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), zone) == shown


def test_what_a_window_covers_is_told_in_words() -> None:
    scope = WindowScope(team="inference", action_kind="gke.node_pool.resize")
    assert place_words(scope) == [("team", "inference"), ("kind", "Resize a node pool")]
    assert place_words(WindowScope(everything=True)) == []


async def test_the_page_tells_what_lasts_when_that_changes_and_what_waits(
    migrated_database_url: str, browser: Browser
) -> None:
    closed = CONFIGURATION.model_copy(update={"windows": WINDOWS})
    async with serving_site(migrated_database_url, browser, configuration=closed) as site:
        stage = Stage(site)
        await stage.put(await stage.propose("inference", 3), "ready", "window:year-end")
        await stage.put(await stage.propose("web", 3), "ready", "breaker:year-end")
        async with site.visit("vera") as visit:
            page = visit.page
            await page.goto("/operations/windows")
            declared = page.get_by_role("table", name="Change windows")
            freeze = declared.get_by_role("row", name="year-end")
            await expect(freeze).to_contain_text("Frozen")
            await expect(freeze).to_contain_text("thaws in")
            await expect(freeze).to_contain_text("Everything")
            await expect(declared.get_by_role("row", name="last-year")).to_contain_text("Closed")
            await expect(page.get_by_text("last-year closes for good")).to_be_visible()
            together = page.get_by_role("table", name="all windows together")
            production = together.get_by_role("row", name="production")
            await expect(production).to_contain_text("Closed")
            await expect(production).to_contain_text("opens in")
            await expect(production).to_contain_text("year-end")
            development = together.get_by_role("row", name="development")
            await expect(development).to_contain_text("no opening in sight")
            waits = page.get_by_role("table", name="Proposals that wait for year-end")
            await expect(waits.get_by_role("row")).to_have_count(2)
            await expect(waits).to_contain_text("inference to 3 per zone")
            await axe(page)


async def test_without_windows_the_page_says_so(site: Site) -> None:
    async with site.visit("vera") as visit:
        await visit.page.goto("/operations/windows")
        await expect(visit.page.get_by_text("No change window is declared")).to_be_visible()
