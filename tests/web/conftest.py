"""The pages, served over a real socket on a real database, seen by a real Chromium. Temporal is not asked here.

One event loop for the folder: the browser outlives a test. `tests/journeys` walks the whole stack.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser import launch
from tests.web.site import Site, serving_site

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_async = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
        if is_async and _HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_binary: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await launch(playwright, chromium_binary)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def site(migrated_database_url: str, browser: Browser) -> AsyncIterator[Site]:
    async with serving_site(migrated_database_url, browser) as served:
        yield served
