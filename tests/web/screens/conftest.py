"""A scene is served once and kept until a screen of another scene is asked for: the catalogue is in that order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest_asyncio
from playwright.async_api import Browser

from local.postgres import PostgresServer
from tests.conftest import _database
from tests.web.screens.scenes import SCENES
from tests.web.screens.screen import Set
from tests.web.site import serving_site

OnScene = Callable[[str], Awaitable[Set]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(
    postgres_engine: PostgresServer, migrated_template: str, browser: Browser
) -> AsyncIterator[OnScene]:
    """Serves a scene by its name."""
    current: dict[str, Set] = {}
    kept = AsyncExitStack()

    async def serve(name: str) -> Set:
        if name not in current:
            await kept.aclose()
            current.clear()
            url = kept.enter_context(_database(postgres_engine, template=migrated_template))
            wanted = SCENES[name]
            site = await kept.enter_async_context(serving_site(url, browser, **wanted.parts()))
            current[name] = Set(site, await wanted.fill(site))
        return current[name]

    yield serve
    await kept.aclose()
