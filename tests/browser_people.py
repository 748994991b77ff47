"""People of a running stack, each with a browser of their own, signed in by a one-time link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.browser import DESKTOP, Visit, visiting
from tests.e2e.practice_ground import Place
from tests.e2e.stack import Stack


@dataclass(frozen=True)
class Office:
    """A stack and a browser."""

    stack: Stack
    browser: Browser

    @asynccontextmanager
    async def desk(
        self, person: str, path: str = "/", *, size: tuple[int, int] = DESKTOP
    ) -> AsyncIterator[Visit]:
        """Open a browser, sign somebody in as they would, and go to a page."""
        link = await self.link(person)
        async with visiting(self.browser, self.stack.url, size=size) as visit:
            await sign_in(visit.page, link)
            await visit.page.goto(path)
            await expect(visit.page.locator("html")).to_have_attribute("data-connection", "live")
            yield visit

    async def link(self, person: str) -> str:
        """Ask for a one-time link, as `sluice login` does."""
        answer = await self.stack.people[person].post("/v1/login-links")
        answer.raise_for_status()
        return str(answer.json()["url"])

    async def waiting(self, place: Place, nodes: int = 2, *, pool: str = "web") -> str:
        """A proposal that waits for a person."""
        proposal_id = await self.stack.propose(place.resize(nodes, pool))
        await self.stack.until(proposal_id, "awaiting_approval")
        return proposal_id


async def sign_in(page: Page, link: str) -> None:
    """Follow a one-time link and press its one button."""
    await page.goto(link)
    await page.get_by_role("button", name="Sign in as").click()
    await expect(page.get_by_role("navigation", name="Main")).to_be_visible()


async def facts_seen(page: Page) -> list[Any]:
    """Numbers of the facts that stand inside the window right now, without scrolling."""
    seen: list[Any] = await page.evaluate(
        """() => [...document.querySelectorAll("[data-fact]")].filter((one) => {
             const box = one.getBoundingClientRect();
             return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
           }).map((one) => Number(one.dataset.fact))"""
    )
    return sorted(set(seen))
