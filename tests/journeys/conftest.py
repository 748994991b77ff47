"""People at real browsers before the whole stack: `sluice up`, and Chromium. One stack for this folder."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from tests.browser import launch
from tests.browser_people import Office
from tests.e2e.practice_ground import Ground
from tests.e2e.stack import Programs, running_stack
from tests.e2e.stack_fixtures import programs as programs
from tests.side_by_side import ends_with_its_unit

_HERE = Path(__file__).parent
_BREAKER_OPENS_AFTER = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_async = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
        if is_async and _HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(
    programs: Programs, stack_directory: Callable[[str], Path], chromium_binary: Path
) -> AsyncIterator[Office]:
    """The stack, and a browser for everybody."""
    limits = {"max_share": 10.0, "breaker": {"failures": _BREAKER_OPENS_AFTER, "cooldown": "10m"}}
    ground = Ground(12, limits=limits)
    async with (
        running_stack(stack_directory("office"), programs, ground) as stack,
        async_playwright() as playwright,
    ):
        ends_with_its_unit(stack.ask_to_stop)
        browser = await launch(playwright, chromium_binary)
        yield Office(stack, browser)
        await browser.close()
