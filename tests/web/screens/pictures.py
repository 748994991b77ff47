"""Takes the pictures of docs/screens: run by `make screens`, not by `make test`."""

from __future__ import annotations

import shutil

import pytest
from playwright.async_api import Page

from tests.web.screens import manual
from tests.web.screens.catalogue import CATALOGUE, ROOMS
from tests.web.screens.conftest import OnScene
from tests.web.screens.looking import opened, still
from tests.web.screens.screen import SIZES, Screen, Size


@pytest.mark.parametrize("screen", CATALOGUE, ids=lambda screen: screen.name)
async def test_take(scene: OnScene, screen: Screen) -> None:
    async with opened(await scene(screen.scene), screen) as shown:
        for size in screen.sizes:
            for theme in manual.PICTURED[size]:
                await shown.at(size, theme)
                at = manual.picture(screen, theme, size)
                at.parent.mkdir(parents=True, exist_ok=True)
                at.write_bytes(manual.packed(await _shot(shown.page, size)))


def test_write_the_page() -> None:
    (manual.HERE / "README.md").write_text(manual.page())


def test_take_away_what_the_catalogue_does_not_name() -> None:
    named = set(manual.pictures())
    for found in manual.HERE.rglob("*.webp"):
        if found not in named:
            found.unlink()
    for folder in manual.HERE.iterdir():
        if folder.is_dir() and folder.name not in ROOMS:
            shutil.rmtree(folder)


async def _shot(page: Page, size: Size) -> bytes:
    """Take what a window of a laptop or phone shows: what sticks to its edges stays there."""
    await page.set_viewport_size({"width": SIZES[size][0], "height": manual.HEIGHTS[size]})
    await still(page)
    await page.evaluate("scrollTo(0, 0)")
    await page.mouse.move(0, 0)
    return await page.screenshot(animations="disabled", caret="hide")
