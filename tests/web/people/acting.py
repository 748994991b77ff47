"""Who acts on the page of people in tests: an admin, whom the other tests do not need, and votes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text

from adapters.store import sessions
from contracts.principal import Principal, PrincipalKind, Role
from tests.api.serving import Api, decision_on

ADMIN = Principal(kind=PrincipalKind.HUMAN, subject="adam", roles=(Role.ADMIN,))


@asynccontextmanager
async def admin(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which an admin is signed in."""
    async with api.database.transaction() as connection:
        secret = await sessions.open_session(
            connection,
            ADMIN,
            display_name="Adam",
            method=sessions.SignInMethod.LINK,
            lifetime=timedelta(hours=1),
            tenant=api.parts.tenant,
        )
    async with api.browser() as browser:
        browser.cookies.set(api.parts.web.cookie_name, secret, domain=browser.base_url.host)
        yield browser


def lending(**changes: str) -> dict[str, str]:
    """The fields of the form, as a browser sends them."""
    until = datetime.now(UTC) + timedelta(days=7)
    fields = {"to": "vera", "until": until.strftime("%Y-%m-%dT%H:%M"), "reason": "on holiday"}
    return fields | {"idempotency_key": "k1", "starts_at": "", "environment": "", "team": ""} | changes


async def vote(api: Api, by: str, decision: str = "approve", *, after: float = 60) -> str:
    """Somebody decides so many seconds after it began to wait."""
    view = await api.waiting()
    answer = await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view, decision), by=by)
    assert answer.status_code == 200, answer.text
    async with api.database.transaction() as connection:
        given = {"after": after, "id": view["id"]}
        await connection.execute(
            text("update decisions set status = 'applied' where proposal_id = :id"), given
        )
        await connection.execute(
            text(
                "update evaluations e set created_at = d.created_at - make_interval(secs => :after)"
                " from decisions d where d.proposal_id = e.proposal_id and e.proposal_id = :id"
            ),
            given,
        )
    return str(view["id"])
