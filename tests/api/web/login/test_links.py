"""One-time links: who gets one, what it shows, that it opens one session, and that its secret goes nowhere else."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import func, select, update

from adapters.store import tokens
from adapters.store.logins import take_link
from adapters.store.schema import audit_events, login_links, sessions
from adapters.store.sessions import SignInMethod, find, open_session
from api import observed
from api.access import WebAccess
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from tests.api.serving import Api, serving

OWN = {"Host": "127.0.0.1:8470"}
HOUR = timedelta(hours=1)


async def _link(api: Api, by: str = "vera") -> str:
    answer = await api.post("/v1/login-links", by=by, **OWN)
    assert answer.status_code == 201, answer.text
    url = urlsplit(str(answer.json()["url"]))
    assert (url.scheme, url.netloc, url.path) == ("http", "127.0.0.1:8470", "/login")
    (secret,) = parse_qs(url.query)["link"]
    return secret


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What the server's spans of this test say."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(observed, "_tracer", provider.get_tracer("test"))
    return exporter


async def test_a_link_says_as_whom_it_signs_in_and_opens_a_session_at_the_press_of_a_button(api: Api) -> None:
    link = await _link(api, "ana")
    async with api.browser() as browser:
        shown = await browser.get("/login", params={"link": link, "return_to": "/design?x=1"})
        assert shown.status_code == 200
        assert "Sign in as ana (requester, approver)" in shown.text
        assert not browser.cookies
        answer = await browser.post("/login", data=_fields(shown.text))
        assert (answer.status_code, answer.headers["location"]) == (303, "/design?x=1")
        assert (await browser.get("/login")).status_code == 303


def _fields(html: str) -> dict[str, str]:
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))
    return {name: value.replace("&amp;", "&") for name, value in found.items()}


async def test_the_cookie_is_for_our_pages_only(api: Api) -> None:
    async with api.browser() as browser:
        answer = await browser.post("/login", data={"link": await _link(api)})
    morsel = SimpleCookie(answer.headers["set-cookie"])["sluice"]
    assert len(morsel.value) == 43
    assert (morsel["path"], morsel["httponly"], morsel["samesite"], morsel["domain"]) == (
        "/",
        True,
        "lax",
        "",
    )
    assert morsel["secure"] == ""
    assert morsel["max-age"] == str(12 * 60 * 60)


async def test_under_https_the_cookie_is_bound_to_the_host(migrated_database_url: str) -> None:
    web = WebAccess(origin="https://sluice.example", session_lifetime=timedelta(hours=1))
    async with (
        serving(migrated_database_url, web=web) as api,
        api.browser(base_url="https://sluice.example") as browser,
    ):
        made = (await api.post("/v1/login-links", by="vera")).json()
        assert made["url"].startswith("https://sluice.example/login?link=")
        answer = await browser.post("/login", data=dict([made["url"].split("?")[1].split("=")]))
        header = answer.headers["set-cookie"]
        assert header.startswith("__Host-sluice=")
        assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=3600"} <= set(header.split("; "))
        assert "domain" not in header.lower()
        assert (await browser.get("/login")).status_code == 303


async def test_twenty_at_once_open_one_session(api: Api) -> None:
    link = await _link(api)
    async with api.browser() as browser:
        answers = await asyncio.gather(*(browser.post("/login", data={"link": link}) for _ in range(20)))
    assert sorted(one.status_code for one in answers) == [303] + [410] * 19
    assert sum("set-cookie" in one.headers for one in answers) == 1
    assert await api.count("sessions") == 1


async def test_a_used_an_old_and_an_unknown_link_get_one_clear_page(api: Api) -> None:
    used, old = await _link(api), await _link(api)
    async with api.browser() as browser:
        await browser.post("/login", data={"link": used})
    async with api.database.transaction() as connection:
        await connection.execute(
            update(login_links)
            .where(login_links.c.used_at.is_(None))
            .values(expires_at=func.clock_timestamp() - timedelta(seconds=1))
        )
    async with api.browser() as browser:
        for link in (used, old, "x" * 43, "x", "%00", ""):
            for answer in (
                await browser.get("/login", params={"link": link}),
                await browser.post("/login", data={"link": link}),
            ):
                assert answer.status_code == 410, (link, answer.text)
                assert "sluice login" in answer.text
                assert "set-cookie" not in answer.headers


async def test_a_session_opened_by_a_tokens_link_ends_when_the_token_is_revoked(api: Api) -> None:
    unused = await _link(api)
    async with api.browser() as vera, api.browser() as olga:
        await vera.post("/login", data={"link": await _link(api)})
        await olga.post("/login", data={"link": await _link(api, "olga")})
        await _revoke(api, "vera")
        assert [(await one.get("/login")).status_code for one in (vera, olga)] == [200, 303]
        assert (await vera.post("/login", data={"link": unused})).status_code == 410
    assert await _told_of_sessions(api) == {
        "vera": ["session.opened", "session.closed"],
        "olga": ["session.opened"],
    }


async def _revoke(api: Api, by: str) -> None:
    async with api.database.transaction() as connection:
        assert await tokens.revoke(
            connection, tokens.token_id(api.tokens[by]), actor=SYSTEM, tenant="default"
        )


async def _told_of_sessions(api: Api) -> dict[str, list[str]]:
    async with api.database.reading() as connection:
        found = (await connection.execute(select(sessions.c.id, sessions.c.display_name))).all()
    return {row.display_name: await api.audit(row.id) for row in found}


async def test_a_session_that_an_identity_provider_opened_outlives_a_token_of_the_same_person(
    api: Api,
) -> None:
    vera = Principal(kind=PrincipalKind.HUMAN, subject="vera", roles=(Role.VIEWER,))
    async with api.database.transaction() as connection:
        secret = await open_session(
            connection, vera, display_name="vera", method=SignInMethod.OIDC, lifetime=HOUR, tenant="default"
        )
    await _revoke(api, "vera")
    async with api.browser() as browser:
        browser.cookies.set("sluice", secret, domain="127.0.0.1")
        assert (await browser.get("/login")).status_code == 303


async def test_a_link_that_is_asked_for_while_its_token_is_being_revoked_is_not_made(api: Api) -> None:
    async with api.database.transaction() as connection:
        await tokens.revoke(connection, tokens.token_id(api.tokens["vera"]), actor=SYSTEM, tenant="default")
        asking = asyncio.create_task(api.post("/v1/login-links", by="vera", **OWN))
        await asyncio.wait({asking}, timeout=0.5)
    assert (await asking).status_code == 401
    assert await api.count("login_links") == 0


async def test_a_link_that_is_used_up_while_its_token_is_being_revoked_leaves_no_session(api: Api) -> None:
    link = await _link(api)
    async with api.database.transaction() as connection:
        person = await take_link(connection, link)
        assert person is not None
        revoking = asyncio.create_task(_revoke(api, "vera"))
        await asyncio.wait({revoking}, timeout=0.5)
        secret = await open_session(
            connection, person, display_name="vera", method=SignInMethod.LINK, lifetime=HOUR, tenant="default"
        )
    await revoking
    async with api.database.reading() as connection:
        assert await find(connection, secret, idle_timeout=HOUR) is None


async def test_a_link_is_used_up_from_our_own_page_only(api: Api) -> None:
    link = await _link(api)
    async with api.browser() as browser:
        for elsewhere in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "none"}):
            answer = await browser.post("/login", data={"link": link}, headers=elsewhere)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
        assert (await browser.post("/login", data={"link": link})).status_code == 303


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/login"],
)
async def test_signing_in_never_leads_to_another_site(api: Api, elsewhere: str) -> None:
    link = await _link(api)
    async with api.browser() as browser:
        shown = await browser.get("/login", params={"link": link, "return_to": elsewhere})
        assert _fields(shown.text)["return_to"] == "/"
        answer = await browser.post("/login", data={"link": link, "return_to": elsewhere})
        assert answer.headers["location"] == "/"
        again = await browser.get("/login", params={"return_to": elsewhere})
        assert (again.status_code, again.headers["location"]) == (303, "/")


async def test_each_sign_in_makes_a_new_session_and_ends_the_one_before(api: Api) -> None:
    async with api.browser() as browser:
        await browser.post("/login", data={"link": await _link(api, "ana")})
        first = browser.cookies["sluice"]
        await browser.post("/login", data={"link": await _link(api, "olga")})
        assert browser.cookies["sluice"] != first
    async with api.browser() as thief:
        thief.cookies.set("sluice", first)
        assert (await thief.get("/login")).status_code == 200


async def test_a_cookie_that_was_planted_before_does_not_become_the_session(api: Api) -> None:
    planted = "p" * 43
    async with api.browser() as browser:
        await browser.get("/login", headers={"Cookie": f"sluice={planted}"})
        answer = await browser.post(
            "/login", data={"link": await _link(api)}, headers={"Cookie": f"sluice={planted}"}
        )
    assert SimpleCookie(answer.headers["set-cookie"])["sluice"].value != planted


async def test_signing_out_ends_the_session_for_good(api: Api) -> None:
    async with api.browser("vera") as browser:
        secret = browser.cookies["sluice"]
        answer = await browser.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?signed_out=1")
        assert not browser.cookies
        assert "You are signed out" in (await browser.get("/login?signed_out=1")).text
    async with api.browser() as thief:
        thief.cookies.set("sluice", secret)
        assert (await thief.get("/login")).status_code == 200
    assert await _audited(api) == ["session.opened", "session.closed"]


async def test_htmx_is_told_where_signing_out_leads(api: Api) -> None:
    async with api.browser("vera") as browser:
        answer = await browser.post("/logout", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/login?signed_out=1")


async def test_another_site_signs_nobody_out(api: Api) -> None:
    async with api.browser("vera") as browser:
        answer = await browser.post("/logout", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert (await browser.get("/logout")).status_code == 405
        assert (await browser.get("/login")).status_code == 303


async def _audited(api: Api) -> list[str]:
    async with api.database.reading() as connection:
        rows = await connection.execute(
            select(audit_events.c.type)
            .where(audit_events.c.type.like("session.%") | audit_events.c.type.like("login_link.%"))
            .order_by(audit_events.c.ordinal)
        )
        return list(rows.scalars())


async def test_a_link_and_its_session_are_audited_without_a_secret(api: Api) -> None:
    link = await _link(api)
    async with api.browser() as browser:
        await browser.post("/login", data={"link": link})
        secret = browser.cookies["sluice"]
    assert await _audited(api) == ["login_link.issued", "session.opened"]
    async with api.database.reading() as connection:
        kept = [
            str(row)
            for table in (audit_events, login_links, sessions)
            for row in (await connection.execute(select(table))).all()
        ]
    assert not any(link in row or secret in row for row in kept)


async def test_only_people_get_a_link(api: Api) -> None:
    answer = await api.post("/v1/login-links", by="bot", **OWN)
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "humans_only")
    assert (await api.post("/v1/login-links", by="nobody", **OWN)).status_code == 403


async def test_nobody_gets_a_link_under_a_foreign_name(api: Api) -> None:
    answer = await api.post("/v1/login-links", by="vera", Host="evil.example")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "sign_in_off")
    async with api.browser(base_url="http://evil.example") as browser:
        assert "SLUICE_WEB__PUBLIC_URL" in (await browser.get("/login")).text


async def test_the_secret_of_a_link_reaches_no_log_no_span_and_no_referrer(
    api: Api, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = await _link(api)
    with structlog.testing.capture_logs() as logged:
        async with api.browser() as browser:
            shown = await browser.get("/login", params={"link": link})
            await browser.post("/login", data={"link": link})
            gone = await browser.post("/login", data={"link": link})
            await browser.get("/login", params={"link": link, "x": "y" * 10})
    for answer in (shown, gone):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    ended = spans.get_finished_spans()
    told = str(logged) + "".join(one.to_json() for one in ended)
    assert "POST /login" in {one.name for one in ended}
    assert link not in told
    assert not any(link in one.getMessage() for one in caplog.records if not one.name.startswith("httpx"))


async def test_pages_of_nobody_bring_a_policy_and_no_script_of_their_own(api: Api) -> None:
    async with api.browser() as browser:
        answer: httpx.Response = await browser.get("/login")
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
