"""Every form of the pages, found by looking at the routes: none takes a change from elsewhere, or from just anybody.

A form that is added later fails here until `WHO` says whose it is. What each does for them is in its room's tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Set

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from tests.api.serving import Api, serving

SAFE = {"GET", "HEAD", "OPTIONS"}
ELSEWHERE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "", "Origin": "http://127.0.0.1:8470"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8470"},
    {"Sec-Fetch-Site": "cross-site", "HX-Request": "true"},
]
PEOPLE = frozenset({"ana", "ben", "olga", "vera"})
"""A requester who approves, an approver, an operator, a viewer."""
STRANGERS = frozenset[str]()
"""A form without a gate: it looks after itself."""
WHO: Mapping[str, Set[str]] = {
    "/login": STRANGERS,
    "/logout": STRANGERS,
    "/together": PEOPLE,
    "/proposals/x_1/decisions": PEOPLE,
    "/proposals/x_1/comments": PEOPLE,
    "/proposals/x_1/revisions": {"ana", "ben", "olga"},
    "/proposals/x_1/override": PEOPLE,
    "/proposals/x_1/cancel": {"ana", "olga"},
    "/proposals/x_1/undo": {"ana", "olga"},
    "/proposals/x_1/resolve": {"olga"},
    "/chat": {"ana"},
    "/chat/x_1": {"ana"},
    "/operations/break-glass": {"olga"},
    "/operations/break-glass/x_1/confirm": {"ana", "ben", "olga"},
    "/operations/break-glass/x_1/end": {"ana", "ben", "olga"},
    "/operations/break-glass/x_1/review": {"ana", "ben", "olga"},
    "/operations/halts": {"olga"},
    "/operations/halts/preview": {"olga"},
    "/operations/halts/x_1/end": {"olga"},
    "/operations/breakers": {"olga"},
    "/operations/breakers/x_1/reset": {"olga"},
    "/people/delegations": PEOPLE,
    "/people/delegations/x_1/end": PEOPLE,
    "/audit/verifications": PEOPLE,
}
"""Address → who gets past its gate."""


@pytest.fixture
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served


def changes(app: FastAPI) -> list[tuple[str, str]]:
    """Method and address of every route of the pages that changes something, with made-up ids."""
    found = []
    for context in iter_route_contexts(app.routes):
        route, path = context.original_route, context.path or ""
        if isinstance(route, APIRoute) and not path.startswith("/v1/"):
            filled = "/".join("x_1" if part.startswith("{") else part for part in path.split("/"))
            found += [(method, filled) for method in sorted((route.methods or set()) - SAFE)]
    return found


async def send(browser: httpx.AsyncClient, method: str, path: str, **headers: str) -> httpx.Response:
    return await browser.request(method, path, data={"a": "b"}, headers=headers)


async def test_of_every_form_it_is_known_whose_it_is(api: Api) -> None:
    assert {path for _, path in changes(api.app)} == set(WHO)


async def test_no_form_takes_a_change_from_elsewhere(api: Api) -> None:
    async with api.browser("olga") as olga, api.browser("ana") as ana:
        for method, path in changes(api.app):
            for headers in ELSEWHERE:
                for browser in (olga, ana):
                    refused = await send(browser, method, path, **headers)
                    told = (method, path, headers, refused.status_code)
                    assert refused.status_code == 403, told
                    assert "not come from our own page" in refused.text, told


async def test_a_form_without_a_mark_of_its_origin_is_taken_from_our_own_origin_only(api: Api) -> None:
    foreign = ("null", "http://127.0.0.1:8471", "https://127.0.0.1:8470", "http://localhost:8470", "")
    async with api.browser("olga") as browser:
        del browser.headers["Sec-Fetch-Site"]
        for method, path in changes(api.app):
            for origin in foreign:
                refused = await send(browser, method, path, Origin=origin)
                assert refused.status_code == 403, (method, path, origin)
            assert (await send(browser, method, path)).status_code == 403, (method, path)


async def test_a_stranger_and_a_token_open_no_form(api: Api) -> None:
    async with api.browser() as stranger:
        for method, path in changes(api.app):
            if WHO[path]:
                assert (await send(stranger, method, path)).status_code == 401, (method, path)
                answer = await send(stranger, method, path, **api.headers("olga"))
                assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize("person", [*sorted(PEOPLE), "nobody"])
async def test_a_form_is_for_those_it_is_meant_for(api: Api, person: str) -> None:
    async with api.browser(person) as browser:
        for method, path in changes(api.app):
            if WHO[path]:
                answer = await send(browser, method, path)
                assert (answer.status_code == 403) == (person not in WHO[path]), (path, answer.status_code)
