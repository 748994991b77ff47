"""Opens a screen in its state once, and shows it in every theme and size that it is looked at in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import CDPSession, Page, expect

from tests.api.serving import PEOPLE
from tests.browser import Theme
from tests.web.screens.screen import SIZES, Look, Screen, Set, Size

THEMES: tuple[Theme, ...] = ("light", "dark")
_DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
STILL = (Path(__file__).parent / "still.js").read_text()


@dataclass
class Shown:
    """A page in its state."""

    page: Page
    session: CDPSession

    async def at(self, size: Size, theme: Theme) -> None:
        """Change the window, its pointer, and the reader's wish."""
        width, height = SIZES[size]
        await self.session.send("Emulation.setTouchEmulationEnabled", {"enabled": size == "phone"})
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await self.page.evaluate(_DRAWN)


@asynccontextmanager
async def opened(on: Set, screen: Screen) -> AsyncIterator[Shown]:
    """Bring a page into the state. Sizes and themes are changed in place: what was done in the page stays.

    Raises:
        AssertionError: the page broke its policy or logged an error that the state does not provoke.
    """
    size = SIZES[screen.sizes[0]]
    async with on.site.visit(screen.person, size=size) as visit:
        visit.expect_fault(*screen.faults)
        await visit.page.goto(screen.path.format(**on.made))
        if PEOPLE.get(screen.person or "", (None, ()))[1]:
            await visit.page.locator("html[data-connection=live]").wait_for()
        # Parts of a page that load themselves after it.
        await expect(visit.page.locator("[hx-trigger^=load]")).to_have_count(0)
        if screen.act is not None:
            await screen.act(Look(on, visit))
        yield Shown(visit.page, await visit.context.new_cdp_session(visit.page))


async def still(page: Page) -> None:
    """Replace what differs from run to run: clocks, countdowns, ids, digests."""
    await page.evaluate(STILL)
