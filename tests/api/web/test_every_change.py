"""Every form of the pages, found by looking at the routes: none takes a change from elsewhere, or from just anybody.

A room that is added later is tried too. What each form does for whom it is meant is in the tests of its room.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

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
OF_OPERATORS = ("/operations/",)
"""Addresses below which only operators change anything."""


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
            found += [(method, filled) for method in sorted(route.methods - SAFE)]
    return found


async def send(browser: httpx.AsyncClient, method: str, path: str, **headers: str) -> httpx.Response:
    return await browser.request(method, path, data={"a": "b"}, headers=headers)


async def test_no_form_takes_a_change_from_elsewhere(api: Api) -> None:
    every = changes(api.app)
    assert {("POST", "/login"), ("POST", "/logout"), ("POST", "/together"), ("POST", "/chat")} <= set(every)
    for method, path in every:
        for headers in ELSEWHERE:
            for person in ("olga", "ben", "ana"):
                async with api.browser(person) as browser:
                    refused = await send(browser, method, path, **headers)
                told = (method, path, headers, refused.status_code)
                assert refused.status_code == 403, told
                assert "not come from our own page" in refused.text, told


async def test_a_form_without_a_mark_of_its_origin_is_taken_from_our_own_origin_only(api: Api) -> None:
    async with api.browser("olga") as browser:
        del browser.headers["Sec-Fetch-Site"]
        for method, path in changes(api.app):
            for origin in (
                "null",
                "http://127.0.0.1:8471",
                "https://127.0.0.1:8470",
                "http://localhost:8470",
                "",
            ):
                refused = await send(browser, method, path, Origin=origin)
                assert refused.status_code == 403, (method, path, origin)
            assert (await send(browser, method, path)).status_code == 403, (method, path)


async def test_no_form_but_that_of_signing_in_is_for_strangers(api: Api) -> None:
    async with api.browser() as stranger:
        for method, path in changes(api.app):
            if path in ("/login", "/logout"):
                continue
            assert (await send(stranger, method, path)).status_code == 401, (method, path)


async def test_a_token_opens_no_form(api: Api) -> None:
    async with api.browser() as browser:
        for method, path in changes(api.app):
            if path in ("/login", "/logout"):
                continue
            answer = await send(browser, method, path, **api.headers("olga"))
            assert answer.status_code == 401, (method, path)


async def test_operations_are_changed_by_operators_only(api: Api) -> None:
    for method, path in changes(api.app):
        if not path.startswith(OF_OPERATORS):
            continue
        for person in ("ana", "ben", "vera"):
            async with api.browser(person) as browser:
                assert (await send(browser, method, path)).status_code == 403, (method, path, person)


async def test_a_session_of_somebody_without_a_role_opens_nothing(api: Api) -> None:
    async with api.browser("nobody") as browser:
        for method, path in changes(api.app):
            if path not in ("/login", "/logout"):
                assert (await send(browser, method, path)).status_code == 403, (method, path)
