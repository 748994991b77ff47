from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.api.serving import Api, serving


@pytest.fixture
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served
