"""Nothing for axe to find on any screen in any state, in both themes; nothing wider than a phone, nothing too small."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from tests.browser import axe, has_no_sideways_scroll, visiting
from tests.web.screens.catalogue import CATALOGUE, ROOMS
from tests.web.screens.conftest import OnScene
from tests.web.screens.looking import THEMES, opened
from tests.web.screens.screen import Screen

SMALLEST = 24
"""CSS pixels: WCAG 2.2, SC 2.5.8."""
_STAND = """() => { document.querySelectorAll(".topbar, .shell-top, .composer-dock, .decide-bar")
    .forEach((one) => { one.style.position = "static"; });
  document.querySelectorAll("[role=region][tabindex='0']").forEach((one) => { one.style.maxHeight = "none"; }); }"""
_SMALL = """(smallest) => [...document.querySelectorAll("button, select, input, textarea, a.btn, [data-decision]")]
    .filter((one) => one.checkVisibility() && one.type !== "hidden" && one.closest(".sr-only") === null)
    .map((one) => (one.closest("label") ?? one))
    .filter((one) => { const box = one.getBoundingClientRect();
        return box.width > 1 && (box.width < smallest || box.height < smallest); })
    .map((one) => one.outerHTML.slice(0, 160))"""

_WIDE = """() => [...document.querySelectorAll("body *")]
    .map((one) => [Math.round(one.getBoundingClientRect().right), one.tagName, one.className, one.id])
    .filter(([right]) => right > document.documentElement.clientWidth + 1)
    .map((words) => words.join(" ").slice(0, 90))"""


def test_the_catalogue_names_each_state_once_and_in_order_of_its_scenes() -> None:
    names = [screen.name for screen in CATALOGUE]
    assert len(set(names)) == len(names)
    assert {screen.room for screen in CATALOGUE} == set(ROOMS)
    scenes = [screen.scene for screen in CATALOGUE]
    changes = [name for name, before in zip(scenes, [None, *scenes], strict=False) if name != before]
    assert len(set(changes)) == len(changes)


@pytest.mark.parametrize("screen", CATALOGUE, ids=lambda screen: screen.name)
async def test_a_state_is_accessible_in_both_themes_and_fits_every_window(
    scene: OnScene, screen: Screen
) -> None:
    async with opened(await scene(screen.scene), screen) as shown:
        page = shown.page
        for size in screen.sizes:
            await shown.at(size, "light")
            assert await has_no_sideways_scroll(page), (size, await _widest(page))
            if size == "phone":
                assert await _too_small(page) == []
        await _stand(page)
        for theme in THEMES:
            await shown.at(screen.sizes[0], theme)
            await axe(page, explained=screen.explained, only_colours=theme != THEMES[0])


async def test_faint_text_is_found_when_only_the_colours_are_judged(browser: Browser) -> None:
    async with visiting(browser, "http://127.0.0.1", theme="dark") as visit:
        await visit.page.set_content("<main><h1 style='color: #777; background: #666'>Faint</h1></main>")
        with pytest.raises(AssertionError, match="color-contrast"):
            await axe(visit.page, only_colours=True)


async def _widest(page: Page) -> list[str]:
    """What stands out at the side."""
    return [str(one) for one in await page.evaluate(_WIDE)][-6:]


async def _stand(page: Page) -> None:
    """Put what hovers over the page into it and unroll what scrolls in it: axe cannot judge colours at such an edge."""
    await page.evaluate(_STAND)


async def _too_small(page: Page) -> list[str]:
    found = await page.evaluate(_SMALL, SMALLEST)
    return [str(one) for one in found]
