"""The web pages for tests: `Api` of tests/api/serving.py behind a socket, with the loops that feed the event stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import uvicorn
from playwright.async_api import Browser

from adapters.dispatch.loops import background_loops
from adapters.store import halts, sessions
from adapters.store.sessions import SignInMethod
from contracts.principal import Principal
from tests.api.serving import PEOPLE, Api, serving
from tests.browser import DESKTOP, Theme, Visit, visiting


@dataclass
class Site:
    """A served site. `api` makes proposals and looks behind the pages."""

    url: str
    api: Api
    browser: Browser

    async def cookie(self, person: str) -> dict[str, str]:
        """Sign somebody in and return the browser's cookie."""
        kind, roles = PEOPLE[person]
        principal = Principal(kind=kind, subject=person, roles=roles)
        async with self.api.database.transaction() as connection:
            secret = await sessions.open_session(
                connection,
                principal,
                display_name=person,
                method=SignInMethod.LINK,
                lifetime=timedelta(hours=1),
                tenant=self.api.parts.tenant,
            )
        return {"name": self.api.parts.web.cookie_name, "value": secret, "url": self.url}

    @asynccontextmanager
    async def visit(
        self, person: str | None, *, theme: Theme = "light", size: tuple[int, int] = DESKTOP
    ) -> AsyncIterator[Visit]:
        """Open a page as somebody who is signed in, or as a stranger."""
        cookies = [await self.cookie(person)] if person else []
        async with visiting(self.browser, self.url, cookies=cookies, theme=theme, size=size) as visit:
            yield visit


@asynccontextmanager
async def serving_site(database_url: str, browser: Browser, **changes: Any) -> AsyncIterator[Site]:
    """Serve the pages on a migrated database; `changes` are `ApiParts`."""
    async with serving(database_url, **changes) as api, _listening(api) as url:
        work = background_loops(api.database, api.parts.sequencer, (), halts.settle)
        tasks = [asyncio.ensure_future(loop()) for loop in work]
        try:
            yield Site(url, api, browser)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _listening(api: Api) -> AsyncIterator[str]:
    config = uvicorn.Config(api.app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    # Signals stay the test runner's.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task
