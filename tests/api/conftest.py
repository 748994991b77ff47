from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.store.migrate import upgrade
from tests.api.serving import Api, serving


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    await upgrade(database_url)
    async with serving(database_url) as served:
        yield served
