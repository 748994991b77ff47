"""What the catalogue is written in: one screen in one state, and the acts that bring a page there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from playwright.async_api import Page

from tests.browser import DESKTOP, PHONE, Visit
from tests.web.site import Site

Size = Literal["desktop", "phone"]
SIZES: dict[Size, tuple[int, int]] = {"desktop": DESKTOP, "phone": PHONE}


@dataclass
class Set:
    """A served site whose database holds what a scene made, by name."""

    site: Site
    made: dict[str, str]


@dataclass
class Look:
    """A page on its way to the state that is looked at."""

    on: Set
    visit: Visit

    @property
    def page(self) -> Page:
        return self.visit.page


Act = Callable[[Look], Awaitable[None]]


@dataclass(frozen=True)
class Screen:
    """One state of one screen."""

    room: str
    scene: str
    """Name in `scenes.SCENES`."""
    state: str
    told: str
    """One sentence: what one sees, and when."""
    path: str
    """Address; `{name}` is what the scene made under that name."""
    person: str | None = "ben"
    act: Act | None = None
    faults: tuple[str, ...] = ()
    explained: tuple[str, ...] = ()
    """Parts of what axe cannot judge here, each with its reason beside it in the catalogue."""
    sizes: tuple[Size, ...] = ("desktop", "phone")

    @property
    def name(self) -> str:
        return f"{self.room}/{self.state}"


def press(name: str, *, exact: bool = True) -> Act:
    """Press a button."""

    async def act(look: Look) -> None:
        await look.page.get_by_role("button", name=name, exact=exact).first.click()

    return act


def unfold(text: str) -> Act:
    """Open what folds."""

    async def act(look: Look) -> None:
        await look.page.get_by_text(text).first.click()

    return act


def wait_for(selector: str) -> Act:
    """Wait until something is there."""

    async def act(look: Look) -> None:
        await look.page.locator(selector).first.wait_for()

    return act


def then(*acts: Act) -> Act:
    """One act after the other."""

    async def act(look: Look) -> None:
        for one in acts:
            await one(look)

    return act


async def live(look: Look) -> None:
    """Wait until the page hears of changes."""
    await look.page.locator("html[data-connection=live]").wait_for()


async def offline(look: Look) -> None:
    """Cut the connection."""
    await live(look)
    await look.visit.context.set_offline(True)
    await look.page.locator("#offline:not([hidden])").wait_for()
