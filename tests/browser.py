"""A real Chromium for tests: one browser a session, one fresh context a visit, every violation and error counted.

A visit fails its test when the page broke its Content-Security-Policy, raised an error, or logged one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect

from local.environment import ROOT
from tests.waiting import WITHIN

AXE = ROOT / "api" / "web" / "assets" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP = (1280, 800)
PHONE = (390, 844)
Theme = Literal["light", "dark"]

_PATIENCE = WITHIN * 1_000
"""Milliseconds, for whatever is waited for in a page."""
expect.set_options(timeout=_PATIENCE)

CUT = ("net::ERR_", "Failed to fetch", "network error")
"""What Chromium logs when a page loses its connection: which of them, and how often, is a matter of moments."""

_REPORT = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
  console.error(`violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


async def launch(playwright: Playwright, chromium: Path) -> Browser:
    """Start the system's Chromium."""
    return await playwright.chromium.launch(executable_path=str(chromium), args=list(_QUIET))


@dataclass
class Visit:
    """One page of one person, and what went wrong in it."""

    page: Page
    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of messages that this test provokes, for example `status of 409`."""

    def expect_fault(self, *parts: str) -> None:
        """Allow console errors that hold one of these: Chromium logs every answer from 400 on."""
        self.expected += parts

    def unexpected(self) -> list[str]:
        """Faults that no test asked for."""
        return [fault for fault in self.faults if not any(part in fault for part in self.expected)]


@asynccontextmanager
async def visiting(
    browser: Browser,
    url: str,
    *,
    cookies: Sequence[Any] = (),
    theme: Theme = "light",
    size: tuple[int, int] = DESKTOP,
    time_zone: str = "Europe/Berlin",
) -> AsyncIterator[Visit]:
    """Open a context with a page in it, at no address yet; relative addresses go to `url`.

    Raises:
        AssertionError: at the end, when something went wrong in the page.
    """
    context = await browser.new_context(
        base_url=url,
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,
        reduced_motion="reduce",
        timezone_id=time_zone,
        locale="en-GB",
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
    )
    context.set_default_timeout(_PATIENCE)
    await context.add_init_script(_REPORT)
    if cookies:
        await context.add_cookies(list(cookies))
    visit = Visit(await context.new_page(), context)
    context.on("page", lambda page: _watch(page, visit))
    _watch(visit.page, visit)
    try:
        yield visit
    finally:
        await context.close()
    assert visit.unexpected() == [], visit.unexpected()


def _watch(page: Page, visit: Visit) -> None:
    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            visit.faults.append(f"{urlsplit(page.url).path}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: visit.faults.append(f"{urlsplit(page.url).path}: {error}"))


_RUN_AXE = (Path(__file__).parent / "run_axe.js").read_text()
_WHOLE = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What axe judges by colour: all that another theme of the same page can change."""


async def axe(page: Page, *, explained: Sequence[str] = (), only_colours: bool = False) -> None:
    """Assert that axe-core finds nothing wrong, and nothing it could not judge but what is `explained`.

    An explanation is a part of the finding's text, such as `color-contrast: .countdown`. `only_colours` is for a page
    in another theme that was judged whole in the first.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text() + ";0")
    found = await page.evaluate(_RUN_AXE, _COLOURS if only_colours else _WHOLE)
    open_questions = [one for one in found["incomplete"] if not any(part in one for part in explained)]
    assert found["violations"] == [], json.dumps(found["violations"], indent=1)
    assert open_questions == [], json.dumps(open_questions, indent=1)


async def has_no_sideways_scroll(page: Page) -> bool:
    """Whether the page is no wider than the window."""
    return bool(
        await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    )
