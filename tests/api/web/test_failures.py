"""Pages of failures: what a made-up address does to them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from tests.api.serving import Api, serving


@pytest.fixture
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served


@pytest.mark.parametrize(
    "address", ["//evil.example/x", "/%5Cevil.example/x", "/%09/evil.example/x", "/%2Fevil.example/x"]
)
@pytest.mark.parametrize("person", ["vera", None])
async def test_no_link_of_a_failure_leads_to_another_site(api: Api, address: str, person: str | None) -> None:
    async with api.browser(person) as browser:
        answer = await browser.get(f"http://127.0.0.1:8470{address}", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    links = re.findall(r'(?:href|action|src)="([^"]*)"', answer.text)
    assert len(links) > 3
    assert [link for link in links if re.match(r"(?!/$|/[!-.0-\[\]-~]|#)", link)] == []


async def test_a_failed_page_is_tried_again_where_it_was(api: Api) -> None:
    async with api.browser("vera") as browser:
        answer = await browser.get("/audit/events/nonsense", headers={"Accept": "text/html"})
    assert answer.status_code == 422
    assert 'href="/audit/events/nonsense"' in answer.text


async def test_what_is_not_there_is_not_tried_again_but_leads_to_the_inbox(api: Api) -> None:
    async with api.browser("vera") as browser:
        answer = await browser.get("/proposals/prp_none", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "To the inbox" in answer.text
    assert "Try again" not in answer.text
