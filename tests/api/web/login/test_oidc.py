"""Signing in at a real identity provider, as a browser does it: by following redirects and sending its form."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Row, func, select, update

from adapters.oidc.provider import OidcProvider
from adapters.store.schema import login_attempts, sessions
from contracts.principal import PrincipalKind
from tests.api.serving import Api, serving
from tests.database_clock import set_clock
from tests.oidc_fixtures import RunningProvider

OURS = "http://127.0.0.1:8470"
CALLBACK = f"{OURS}/login/oidc/callback"


@dataclass
class Browser:
    """One browser: cookies by host, redirects by hand, so that a test sees each stop."""

    ours: httpx.AsyncClient
    outside: httpx.AsyncClient
    seen: list[str] = field(default_factory=list)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """GET, here or there, and follow until a page stands still."""
        while True:
            self.seen.append(url)
            answer = await self._client(url).get(url, headers=headers)
            if not answer.has_redirect_location:
                return answer
            url = urljoin(url, answer.headers["location"])

    async def until_callback(self, start: str, person: str) -> str:
        """Sign in at the provider as a person and return the address it sends back to, unopened."""
        form = await self.get(start)
        action, fields = _form(form)
        answer = await self.outside.post(action, data=fields | {"login": person, "password": "x"})
        while not answer.headers["location"].startswith(OURS):
            answer = await self.outside.get(urljoin(str(answer.url), answer.headers["location"]))
        return str(answer.headers["location"])

    def _client(self, url: str) -> httpx.AsyncClient:
        return self.ours if url.startswith(OURS) else self.outside


def _form(page: httpx.Response) -> tuple[str, dict[str, str]]:
    action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
    assert action is not None, page.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    return urljoin(str(page.url), action.group(1)), fields


@asynccontextmanager
async def _browsing(api: Api) -> AsyncIterator[Browser]:
    async with api.browser(base_url=OURS) as ours, httpx.AsyncClient(timeout=20, trust_env=False) as outside:
        yield Browser(ours, outside)


@asynccontextmanager
async def _serving(url: str, running: RunningProvider, **changes: object) -> AsyncIterator[Api]:
    provider = OidcProvider(running.settings(**changes))
    try:
        async with serving(url, identity_provider=provider) as served:
            yield served
    finally:
        await provider.close()


@pytest.fixture
async def api(migrated_database_url: str, oidc_provider: RunningProvider) -> AsyncIterator[Api]:
    async with _serving(migrated_database_url, oidc_provider) as served:
        yield served


async def test_a_person_signs_in_over_the_provider_and_comes_back_to_where_they_were(
    api: Api, oidc_provider: RunningProvider
) -> None:
    async with _browsing(api) as browser:
        page = await browser.get(f"{OURS}/login?return_to=%2Fdesign%3Fx%3D1")
        assert 'href="/login/oidc?return_to=/design%3Fx%3D1"' in page.text
        back = await browser.until_callback(f"{OURS}/login/oidc?return_to=/design%3Fx%3D1", "ana")
        answer = await browser.ours.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/design?x=1")
    (session,) = await _sessions(api)
    assert session.display_name == "Ana Almeida"
    assert session.method == "oidc"
    assert session.principal == {
        "kind": PrincipalKind.HUMAN,
        "subject": "ana",
        "issuer": oidc_provider.issuer,
        "roles": ["viewer", "approver"],
    }


async def test_the_question_carries_pkce_state_and_nonce_and_our_cookie_outlives_no_attempt(api: Api) -> None:
    async with _browsing(api) as browser:
        answer = await browser.ours.get("/login/oidc")
    asked = {name: value[0] for name, value in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == CALLBACK
    assert asked["response_type"] == "code"
    assert all(len(asked[name]) == 43 for name in ("state", "nonce", "code_challenge"))
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
    async with api.database.reading() as connection:
        row = (await connection.execute(select(login_attempts))).one()
    assert asked["state"] not in str(row)


async def test_an_answer_is_taken_once(api: Api) -> None:
    async with _browsing(api) as browser:
        back = await browser.until_callback(f"{OURS}/login/oidc", "ana")
        assert (await browser.ours.get(back)).status_code == 303
        browser.ours.cookies.delete("sluice")
        again = await browser.ours.get(back)
    assert _refusal(again) == (400, "Oidc attempt unknown")


async def test_an_answer_is_taken_from_the_browser_that_asked_only(api: Api) -> None:
    async with _browsing(api) as ana, _browsing(api) as victim:
        back = await ana.until_callback(f"{OURS}/login/oidc", "ana")
        await victim.ours.get("/login/oidc")
        planted = await victim.ours.get(back)
        assert _refusal(planted) == (400, "Oidc attempt unknown")
        victim.ours.cookies.clear()
        assert _refusal(await victim.ours.get(back)) == (400, "Oidc attempt unknown")
        assert not await _sessions(api)
        assert (await ana.ours.get(back)).status_code == 303


async def test_two_tabs_can_sign_in_side_by_side(api: Api) -> None:
    async with _browsing(api) as browser:
        first = await browser.ours.get("/login/oidc?return_to=/one")
        second = await browser.until_callback(f"{OURS}/login/oidc?return_to=/two", "ana")
        assert (await browser.ours.get(second)).headers["location"] == "/two"
        back = await browser.get(first.headers["location"])
        assert "/one" in browser.seen[-1]
        assert back.status_code in (200, 404)


async def test_an_attempt_is_good_for_ten_minutes(api: Api) -> None:
    async with _browsing(api) as browser:
        back = await browser.until_callback(f"{OURS}/login/oidc", "ana")
        async with api.database.transaction() as connection:
            past = func.clock_timestamp() - timedelta(seconds=1)
            await connection.execute(update(login_attempts).values(expires_at=past))
        assert _refusal(await browser.ours.get(back)) == (400, "Oidc attempt unknown")


@pytest.mark.parametrize("by", [timedelta(hours=-3), timedelta(hours=3)], ids=["behind", "ahead"])
async def test_what_the_provider_says_is_of_now_by_the_clock_of_the_database(
    migrated_database_url: str, oidc_provider: RunningProvider, by: timedelta
) -> None:
    await set_clock(migrated_database_url, by)
    async with _serving(migrated_database_url, oidc_provider) as api, _browsing(api) as browser:
        answer = await browser.ours.get(await browser.until_callback(f"{OURS}/login/oidc", "ana"))
        assert _refusal(answer) == (400, "Id token invalid")
        assert not await _sessions(api)


async def test_who_holds_no_role_is_told_so_and_gets_no_session(api: Api) -> None:
    async with _browsing(api) as browser:
        answer = await browser.ours.get(await browser.until_callback(f"{OURS}/login/oidc", "visitor"))
    assert answer.status_code == 403
    assert "Signed in, but no role" in answer.text
    assert "SLUICE_OIDC__ROLES" in answer.text
    assert "set-cookie" not in answer.headers
    assert not await _sessions(api)


async def test_who_refuses_at_the_provider_is_told_so(api: Api) -> None:
    async with _browsing(api) as browser:
        asked = await browser.ours.get("/login/oidc")
        (state,) = parse_qs(urlsplit(asked.headers["location"]).query)["state"]
        sent = {"state": state, "error": "access_denied", "error_description": "<script>alert(1)</script>"}
        answer = await browser.ours.get("/login/oidc/callback", params=sent | {"iss": _issuer(asked)})
    assert _refusal(answer) == (400, "Oidc access denied")
    assert "alert(1)" not in answer.text


async def test_an_answer_in_the_name_of_another_provider_is_refused(api: Api) -> None:
    async with _browsing(api) as browser:
        back = await browser.until_callback(f"{OURS}/login/oidc", "ana")
        forged = re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Fevil.example", back)
        assert forged != back
        assert _refusal(await browser.ours.get(forged)) == (400, "Id token invalid")


async def test_a_code_of_another_sign_in_does_not_pass(api: Api) -> None:
    async with _browsing(api) as attacker, _browsing(api) as victim:
        stolen = await attacker.until_callback(f"{OURS}/login/oidc", "olga")
        back = await victim.until_callback(f"{OURS}/login/oidc", "ana")
        (code,) = parse_qs(urlsplit(stolen).query)["code"]
        mixed = re.sub(r"code=[^&]+", f"code={code}", back)
        assert _refusal(await victim.ours.get(mixed)) == (400, "Oidc refused")
    assert not await _sessions(api)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "sluice-public", "client_secret": None},
        {"roles_claim": "realm_access.roles", "roles": {"sluice-approver": ["approver"]}},
        {"subject_claim": "email"},
    ],
    ids=["a public client", "roles inside an object", "an e-mail address as the name"],
)
async def test_registrations_of_several_kinds_work(
    migrated_database_url: str, oidc_provider: RunningProvider, changes: dict[str, object]
) -> None:
    async with _serving(migrated_database_url, oidc_provider, **changes) as api, _browsing(api) as browser:
        answer = await browser.ours.get(await browser.until_callback(f"{OURS}/login/oidc", "ana"))
        assert answer.status_code == 303, answer.text
        (session,) = await _sessions(api)
        wanted = "ana@example.org" if "subject_claim" in changes else "ana"
        assert session.principal["subject"] == wanted


@pytest.mark.parametrize(
    ("person", "changes", "told"),
    [
        ("olga", {"subject_claim": "email"}, "Email not verified"),
        ("nameless", {"subject_claim": "email"}, "Email not verified"),
        ("nameless", {"subject_claim": "name"}, "Subject claim missing"),
        ("ana", {"client_secret": SecretStr("wrong")}, "Oidc refused"),
    ],
)
async def test_what_does_not_hold_opens_no_session(
    migrated_database_url: str,
    oidc_provider: RunningProvider,
    person: str,
    changes: dict[str, object],
    told: str,
) -> None:
    async with _serving(migrated_database_url, oidc_provider, **changes) as api, _browsing(api) as browser:
        answer = await browser.ours.get(await browser.until_callback(f"{OURS}/login/oidc", person))
        assert _refusal(answer) == (400, told)
        assert not await _sessions(api)


async def test_signing_out_ends_here_and_htmx_goes_on_to_the_provider(
    api: Api, oidc_provider: RunningProvider
) -> None:
    async with _browsing(api) as browser:
        await browser.ours.get(await browser.until_callback(f"{OURS}/login/oidc", "ana"))
        answer = await browser.ours.post("/logout", headers={"HX-Request": "true"})
        there = answer.headers["hx-redirect"]
        assert answer.status_code == 204
        assert there.startswith(f"{oidc_provider.issuer}/session/end?")
        page = await browser.get(there)
        action, fields = _form(page)
        ended = await browser.outside.post(action, data=fields | {"logout": "yes"})
        assert ended.headers["location"] == f"{OURS}/login"
        assert (await browser.ours.get("/login")).status_code == 200


async def test_a_plain_form_signs_out_here_only_for_the_policy_blocks_the_rest(api: Api) -> None:
    async with _browsing(api) as browser:
        await browser.ours.get(await browser.until_callback(f"{OURS}/login/oidc", "ana"))
        answer = await browser.ours.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?signed_out=1")


async def test_a_provider_that_is_down_is_told_and_opens_nothing(
    migrated_database_url: str, free_port: Callable[[], int]
) -> None:
    gone = RunningProvider(f"http://127.0.0.1:{free_port()}")
    async with _serving(migrated_database_url, gone) as api, _browsing(api) as browser:
        answer = await browser.ours.get("/login/oidc")
        assert _refusal(answer) == (503, "Identity provider unavailable")
        assert await api.count("login_attempts") == 0


def _issuer(asked: httpx.Response) -> str:
    there = urlsplit(asked.headers["location"])
    return f"{there.scheme}://{there.netloc}"


def _refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and the page's reason, as its heading spells it. A refusal never sets a cookie of a session."""
    assert not answer.headers.get("set-cookie", "").startswith("sluice=")
    found = re.search(r'class="notice-title">([^<]+)<', answer.text)
    assert found is not None, answer.text
    return answer.status_code, found.group(1)


async def _sessions(api: Api) -> list[Row[Any]]:
    async with api.database.reading() as connection:
        return list((await connection.execute(select(sessions))).all())
