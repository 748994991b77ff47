"""Sessions and gates, over a real database: who gets to a page, for how long, and from where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import func, select, update

from adapters.store import sessions
from adapters.store.schema import audit_events
from adapters.store.schema import sessions as table
from api import problems
from api.access import WebAccess, web_access
from api.authentication import ReaderByTokenOrSession, assert_every_route_is_guarded
from api.web.routes import web_router
from api.web.session import Everybody, SignedIn, SignedInOperator, reader_mark, safe_return_to
from contracts.errors import ConfigurationInvalid
from contracts.principal import Principal, PrincipalKind
from tests.api.serving import Api, serving


def _rooms() -> tuple[APIRouter, ...]:
    page, plain = web_router(), APIRouter()

    @page.get("/room")
    async def read(me: SignedIn) -> dict[str, str]:
        return {"me": me.subject}

    @plain.api_route("/room/change", methods=["POST", "PUT", "PATCH", "DELETE"])
    async def change(me: SignedIn) -> dict[str, str]:
        return {"me": me.subject}

    @plain.get("/room/operators")
    async def operators(me: SignedInOperator) -> dict[str, str]:
        return {"me": me.subject}

    @plain.get("/v1/room")
    async def data(reader: ReaderByTokenOrSession) -> dict[str, str]:
        return {"me": reader.subject}

    return page, plain


def _add_rooms(app: FastAPI) -> None:
    for router in _rooms():
        app.include_router(router)
    assert_every_route_is_guarded(app)


@pytest.fixture
async def room(migrated_database_url: str) -> AsyncIterator[Api]:
    """The application with one more room, whose pages need a session."""
    async with serving(migrated_database_url) as served:
        _add_rooms(served.app)
        yield served


async def _age(api: Api, *, seen: timedelta = timedelta(0), left: timedelta | None = None) -> None:
    now = func.clock_timestamp()
    changes = {"last_seen_at": now - seen} | ({} if left is None else {"expires_at": now + left})
    async with api.database.transaction() as connection:
        await connection.execute(update(table).values(**changes))


async def test_a_session_shows_the_page_to_whom_it_belongs(room: Api) -> None:
    async with room.browser("vera") as vera:
        assert (await vera.get("/room")).json() == {"me": "vera"}


async def test_a_page_without_a_session_sends_the_browser_to_sign_in_and_back(room: Api) -> None:
    async with room.browser() as stranger:
        answer = await stranger.get("/room", params={"state": "waiting", "q": "a b"})
    assert answer.status_code == 303
    there = urlsplit(answer.headers["location"])
    assert (there.scheme, there.netloc, there.path) == ("", "", "/login")
    assert parse_qs(there.query) == {"return_to": ["/room?state=waiting&q=a+b"]}


async def test_a_fragment_without_a_session_leaves_the_page_where_it_is(room: Api) -> None:
    async with room.browser() as stranger:
        answer = await stranger.get("/room", headers={"HX-Request": "true"})
    assert (answer.status_code, "the session is over" in answer.text) == (401, True)
    assert not {"location", "hx-redirect"} & set(answer.headers)


async def test_a_page_that_somebody_else_was_shown_changes_and_shows_nothing(room: Api) -> None:
    async with room.browser("vera") as vera:
        own = {"Sluice-Reader": reader_mark(Principal(kind=PrincipalKind.HUMAN, subject="vera"))}
        other = {"Sluice-Reader": "0" * 16}
        assert (await vera.get("/room", headers=own)).status_code == 200
        assert (await vera.get("/room", headers=other | {"HX-Request": "true"})).status_code == 409
        refused = await vera.post("/room/change", headers=other)
        assert (refused.status_code, refused.json()["reason_code"]) == (409, "reader_changed")
        assert (await vera.post("/room/change", headers=own)).status_code == 200


async def test_a_change_without_a_session_is_refused(room: Api) -> None:
    async with room.browser() as stranger:
        assert (await stranger.post("/room/change")).status_code == 401


async def test_a_role_that_is_not_held_is_refused(room: Api) -> None:
    async with room.browser("vera") as vera, room.browser("olga") as olga:
        assert (await vera.get("/room/operators")).status_code == 403
        assert (await olga.get("/room/operators")).status_code == 200


_ORIGINS: tuple[tuple[dict[str, str], bool], ...] = (
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "none"}, False),
    ({"Sec-Fetch-Site": ""}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8470"}, False),
    ({"Origin": "http://127.0.0.1:8470"}, True),
    ({"Origin": "http://127.0.0.1:9999"}, False),
    ({"Origin": "https://127.0.0.1:8470"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Referer": "http://127.0.0.1:8470/"}, False),
    ({}, False),
)


async def test_a_cookie_changes_things_only_from_our_own_page(room: Api) -> None:
    async with room.browser("vera") as vera:
        del vera.headers["Sec-Fetch-Site"]
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for headers, passes in _ORIGINS:
                answer = await vera.request(method, "/room/change", headers=headers)
                assert answer.status_code == (200 if passes else 403), (method, headers)
                assert passes or answer.json()["reason_code"] == "cross_site_refused"


async def test_a_foreign_name_that_resolves_to_this_machine_changes_nothing(room: Api) -> None:
    async with room.browser("vera", base_url="http://evil.example:8470") as vera:
        assert (await vera.post("/room/change")).status_code == 403


async def test_reading_needs_no_proof_of_origin(room: Api) -> None:
    async with room.browser("vera") as vera:
        assert (await vera.get("/room", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 200


async def test_what_pages_read_by_themselves_takes_a_token_or_a_cookie(room: Api) -> None:
    async with room.browser("vera") as vera, room.browser() as stranger:
        assert (await vera.get("/v1/room")).json() == {"me": "vera"}
        assert (await stranger.get("/v1/room", headers=room.headers("olga"))).json() == {"me": "olga"}
        assert (await vera.get("/v1/room", headers=room.headers("olga"))).json() == {"me": "olga"}
        assert (await vera.get("/v1/room", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await stranger.get("/v1/room")).status_code == 401


async def test_a_cookie_is_nobody_for_the_json_api(room: Api) -> None:
    async with room.browser("olga") as olga:
        halt = {"scope": {"everything": True}, "reason": "drill"}
        assert (await olga.post("/v1/halts", json=halt)).status_code == 401
        assert (await olga.get("/v1/halts")).status_code == 401


async def test_a_session_ends_after_its_lifetime_however_busy_it_was(room: Api) -> None:
    async with room.browser("vera") as vera:
        await _age(room, left=timedelta(seconds=-1))
        assert (await vera.get("/room")).status_code == 303


async def test_a_session_ends_when_nobody_does_anything(room: Api) -> None:
    async with room.browser("vera") as vera:
        await _age(room, seen=timedelta(hours=1, minutes=59))
        assert (await vera.get("/room")).status_code == 200
        await _age(room, seen=timedelta(hours=2))
        assert (await vera.get("/room")).status_code == 303


async def test_pages_that_refresh_themselves_keep_no_session_alive(room: Api) -> None:
    async with room.browser("vera") as vera:
        await _age(room, seen=timedelta(hours=1))
        before = await _last_seen(room)
        await vera.get("/room", headers={"HX-Request": "true"})
        await vera.get("/v1/room")
        assert await _last_seen(room) == before
        await vera.post("/room/change", headers={"HX-Request": "true"})
        assert await _last_seen(room) != before


async def test_being_seen_is_written_once_a_minute(room: Api) -> None:
    async with room.browser("vera") as vera:
        before = await _last_seen(room)
        await vera.get("/room")
        assert await _last_seen(room) == before
        await _age(room, seen=timedelta(seconds=61))
        aged = await _last_seen(room)
        await vera.get("/room")
        assert await _last_seen(room) != aged


async def _last_seen(api: Api) -> object:
    async with api.database.reading() as connection:
        return (await connection.execute(select(table.c.last_seen_at))).scalar_one()


async def test_a_session_that_was_closed_opens_nothing(room: Api) -> None:
    secret = await room.open_session("vera")
    async with room.database.transaction() as connection:
        assert await sessions.close(connection, secret, tenant="default", reason="signed_out")
        assert not await sessions.close(connection, secret, tenant="default", reason="signed_out")
    async with room.browser() as vera:
        vera.cookies.set("sluice", secret)
        assert (await vera.get("/room")).status_code == 303


async def test_a_made_up_cookie_opens_nothing(room: Api) -> None:
    async with room.browser() as stranger:
        for secret in ("x", "x" * 43, "x" * 5_000, "é" * 43, "%00" * 43):
            cookie = httpx.Headers({"Cookie": f"sluice={secret}"}, encoding="utf-8")
            assert (await stranger.get("/room", headers=cookie)).status_code == 303


async def test_only_the_hash_of_a_cookie_is_stored_and_audited(room: Api) -> None:
    secret = await room.open_session("vera")
    async with room.database.reading() as connection:
        row = (await connection.execute(select(table))).one()
        leaves = (await connection.execute(select(audit_events.c.leaf))).scalars().all()
    assert row.token_hash == sessions.hash_of(secret)
    assert secret not in str(row)
    assert await room.audit(row.id) == ["session.opened"]
    assert not any(secret.encode() in leaf for leaf in leaves)


def test_a_page_without_a_gate_keeps_the_application_from_being_built() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app)
    router = web_router()

    @router.get("/open")
    async def open_to_all(_: Everybody) -> None: ...

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    app.include_router(router)
    with pytest.raises(RuntimeError, match=r"without a role: /forgotten$"):
        assert_every_route_is_guarded(app)


@pytest.mark.parametrize("good", ["/", "/proposals/prp_1", "/audit?type=a&x=%2F%2Fevil", "/chat/c_1"])
def test_a_path_of_ours_is_where_one_returns_to(good: str) -> None:
    assert safe_return_to(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "proposals",
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\x00",
        " //evil.example",
        "javascript:alert(1)",
        "/é",
        "/a\r\nSet-Cookie: x=y",
        "/login?return_to=/login",
        "/logout",
        "/" + "x" * 2_000,
    ],
)
def test_every_other_way_to_return_leads_home(bad: str | None) -> None:
    assert safe_return_to(bad) == "/"


def _access(public_url: str | None, host: str = "127.0.0.1") -> WebAccess:
    return web_access(public_url, host, session_lifetime=timedelta(hours=12), idle_timeout=timedelta(hours=2))


@pytest.mark.parametrize(
    ("public_url", "origin", "cookie"),
    [
        ("https://sluice.example", "https://sluice.example", "__Host-sluice"),
        ("https://Sluice.Example:443/", "https://sluice.example", "__Host-sluice"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443", "__Host-sluice"),
        ("http://127.0.0.1:8470", "http://127.0.0.1:8470", "sluice"),
        ("http://localhost:80", "http://localhost", "sluice"),
        ("http://[::1]:8470", "http://[::1]:8470", "sluice"),
        (None, None, "sluice"),
    ],
)
def test_https_gets_the_host_cookie_and_loopback_the_plain_one(
    public_url: str | None, origin: str | None, cookie: str
) -> None:
    access = _access(public_url)
    assert (access.origin, access.cookie_name, access.is_on) == (origin, cookie, True)


@pytest.mark.parametrize(
    "public_url",
    [
        "http://sluice.example",
        "http://10.0.0.1:8470",
        "ftp://127.0.0.1",
        "sluice.example",
        "https://",
        "https://sluice.example/under",
        "https://sluice.example?x",
        "https://ana:secret@sluice.example",
        "https://sluice.example:port",
    ],
)
def test_any_other_public_url_is_refused_at_the_start(public_url: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="SLUICE_WEB__PUBLIC_URL"):
        _access(public_url)


def test_nobody_signs_in_where_a_network_listens_and_no_address_is_known() -> None:
    access = _access(None, "0.0.0.0")  # noqa: S104
    assert not access.is_on
    assert access.origin_for("127.0.0.1:8470") is None


async def test_a_cookie_is_not_looked_at_where_nobody_can_sign_in(migrated_database_url: str) -> None:
    async with serving(migrated_database_url, web=WebAccess(is_on=False)) as served:
        _add_rooms(served.app)
        async with served.browser("vera") as vera:
            assert (await vera.get("/room")).status_code == 303
            assert (await vera.post("/room/change")).status_code == 401
