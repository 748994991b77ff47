"""A site with something to see in operations: pools, budgets, breakers, proposals in every state that matters."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.web.operations.stage import Stage, dress
from tests.web.site import Site


@pytest_asyncio.fixture(loop_scope="session")
async def stage(site: Site) -> AsyncIterator[Stage]:
    yield await dress(site)
