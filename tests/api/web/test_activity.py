"""The activity page goes on where it was read: what happens while it is read comes with the first look for more."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.store import audit_search
from tests.api.serving import Api, serving


@pytest.fixture
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served


async def test_what_happens_while_an_empty_page_is_read_is_not_passed_over(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, made = audit_search.search, list[str]()

    async def searched_too_soon(*args: Any, **kwargs: Any) -> Any:
        found = await search(*args, **kwargs)
        if not made:
            made.append(await api.propose())
            await api.parts.sequencer.checkpoint()
        return found

    monkeypatch.setattr(audit_search, "search", searched_too_soon)
    async with api.browser("olga") as browser:
        page = (await browser.get("/activity?kind=proposals", headers={"Accept": "text/html"})).text
        [cursor] = re.findall(r'id="feed-cursor" value="(-?\d+)"', page)
        assert made[0] not in page
        rows = await browser.get(
            f"/activity/rows?kind=proposals&after={cursor}", headers={"HX-Request": "true"}
        )
    assert made[0] in rows.text
