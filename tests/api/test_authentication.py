from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from adapters.store import tokens
from api.authentication import PUBLIC, assert_every_route_is_guarded
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from tests.api.serving import Api

OPEN_PAGES = ("/login", "/logout", "/theme")
"""Pages that strangers need; tests/api/web/login judges them."""
ANA = Principal(kind=PrincipalKind.HUMAN, subject="ana", roles=(Role.VIEWER,))


async def test_every_route_but_the_public_ones_asks_who_is_there(api: Api) -> None:
    asked = 0
    for context in iter_route_contexts(api.app.routes):
        path = (context.path or "").replace("{", "").replace("}", "").replace(":path", "")
        if context.path in PUBLIC or path.startswith(OPEN_PAGES):
            continue
        for method in context.methods or ():
            answer = await api.http.request(method, path)
            is_page = not path.startswith(("/v1/", "/metrics"))
            if is_page and method in ("GET", "HEAD"):
                assert answer.status_code == 303, (method, path)
                assert answer.headers["location"].startswith("/login"), (method, path)
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"].startswith("Bearer")
            asked += 1
    assert asked >= 18


async def test_public_routes_answer_without_a_token(api: Api) -> None:
    for path in PUBLIC - {"/assets/{name}"}:
        assert (await api.http.get(path)).status_code == 200


async def test_a_wrong_revoked_or_expired_token_gets_one_and_the_same_answer(api: Api) -> None:
    async with api.database.transaction() as connection:
        revoked = await tokens.issue(connection, ANA, actor=SYSTEM, tenant="default")
        await tokens.revoke(connection, tokens.token_id(revoked), actor=SYSTEM, tenant="default")
        past = datetime.now(UTC) - timedelta(seconds=1)
        expired = await tokens.issue(connection, ANA, actor=SYSTEM, expires_at=past, tenant="default")
    details = set()
    for token in ("slc_wrong", revoked, expired, "x" * 5_000, ""):
        answer = await api.http.get("/v1/proposals", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        body = answer.json()
        details.add((body["reason_code"], body["detail"]))
    assert len(details) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [
        ("POST", "/v1/requests", {"text": "x"}, {"ana", "bot"}),
        ("POST", "/v1/proposals", {}, {"ana", "bot"}),
        ("POST", "/v1/halts", {}, {"olga"}),
        ("DELETE", "/v1/halts/h", None, {"olga"}),
        ("POST", "/v1/breakers/target:x/y/reset", {}, {"olga"}),
        ("POST", "/v1/proposals/p/resolve", {}, {"olga"}),
        ("POST", "/v1/proposals/p/undo", None, {"ana", "bot", "olga"}),
        ("POST", "/v1/proposals/p/cancel", None, {"ana", "bot", "olga"}),
        ("GET", "/v1/proposals", None, {"ana", "ben", "cleo", "olga", "vera", "bot"}),
        ("GET", "/metrics", None, {"ana", "ben", "cleo", "olga", "vera", "bot"}),
    ],
)
async def test_a_route_lets_only_its_roles_through(
    api: Api, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    for name in ("ana", "ben", "cleo", "olga", "vera", "bot", "nobody"):
        answer = await api.http.request(method, path, headers=api.headers(name), json=body)
        code = answer.json().get("reason_code") if "json" in answer.headers["content-type"] else None
        refused = answer.status_code == 403 and code == "role_required"
        assert refused == (name not in allowed), (name, answer.text)


def test_an_application_with_an_unguarded_route_is_not_built() -> None:
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get("/v1/oops")
    async def oops() -> None: ...

    with pytest.raises(RuntimeError, match="/v1/oops"):
        assert_every_route_is_guarded(app)
