"""A delegation lends what its delegator holds by now, and nothing once they hold nothing any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from adapters.store import delegations, sessions, tokens
from adapters.store.sessions import SignInMethod
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from tests.api.serving import Api, decision_on

VERA = Principal(kind=PrincipalKind.HUMAN, subject="vera", roles=(Role.VIEWER,))
SSO = Principal(kind=PrincipalKind.HUMAN, issuer="https://sso.example", subject="ida", roles=(Role.APPROVER,))


async def lend(api: Api, *, by: str = "ben", **changes: Any) -> Any:
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    body = {"to": "vera", "until": until, "reason": "on holiday"} | changes
    return await api.post("/v1/delegations", body, by=by)


async def lent(api: Api) -> list[tuple[str, tuple[Role, ...]]]:
    async with api.database.reading() as connection:
        found = await delegations.lent_to(connection, "default", VERA)
        shown = await delegations.in_force(connection, "default")
    assert found == shown
    return [(one.delegator.subject, one.delegator.roles) for one in found]


async def revoke(api: Api, name: str) -> None:
    async with api.database.transaction() as connection:
        assert await tokens.revoke(
            connection, tokens.token_id(api.tokens[name]), actor=SYSTEM, tenant="default"
        )


async def sign_in(api: Api, person: Principal) -> str:
    async with api.database.transaction() as connection:
        return await sessions.open_session(
            connection,
            person,
            display_name=person.subject,
            method=SignInMethod.OIDC,
            lifetime=timedelta(hours=12),
            tenant="default",
        )


async def admit_root(api: Api) -> None:
    admin = Principal(kind=PrincipalKind.HUMAN, subject="root", roles=(Role.ADMIN,))
    async with api.database.transaction() as connection:
        api.tokens["root"] = await tokens.issue(connection, admin, actor=SYSTEM, tenant="default")


async def is_active(api: Api) -> bool:
    (one,) = (await api.get("/v1/delegations", by="olga")).json()["items"]
    return bool(one["is_active"])


async def test_whose_last_token_was_revoked_lends_no_vote(api: Api) -> None:
    view = await api.waiting()
    assert (await lend(api)).status_code == 201
    assert (await lent(api), await is_active(api)) == ([("ben", (Role.APPROVER,))], True)
    await revoke(api, "ben")
    assert (await lent(api), await is_active(api)) == ([], False)
    refused = await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by="vera")
    assert (refused.status_code, refused.json()["reason_code"]) == (403, "not_eligible_role")


async def test_a_token_with_fewer_rights_lends_no_more_than_it_gives(api: Api) -> None:
    await lend(api)
    await revoke(api, "ben")
    ben = Principal(kind=PrincipalKind.HUMAN, subject="ben", roles=(Role.VIEWER, Role.OPERATOR))
    async with api.database.transaction() as connection:
        await tokens.issue(connection, ben, actor=SYSTEM, tenant="default")
    assert await lent(api) == []
    approver = ben.model_copy(update={"roles": (Role.APPROVER,)})
    async with api.database.transaction() as connection:
        await tokens.issue(connection, approver, actor=SYSTEM, tenant="default")
    assert await lent(api) == [("ben", (Role.APPROVER,))]
    async with api.database.transaction() as connection:
        await connection.execute(text("update tokens set expires_at = clock_timestamp()"))
    assert await lent(api) == []


async def test_a_newest_sign_in_tells_what_is_held_for_thirty_days_after_its_session(api: Api) -> None:
    secret = await sign_in(api, SSO)
    await admit_root(api)
    until = (datetime.now(UTC) + timedelta(days=60)).isoformat()
    made = await lend(api, by="root", delegator=SSO.key, until=until)
    assert made.status_code == 201, made.text
    async with api.database.transaction() as connection:
        await sessions.close(connection, secret, tenant="default", reason="signed_out")
    assert await lent(api) == [("ida", (Role.APPROVER,))]
    for days, left in ((29, [("ida", (Role.APPROVER,))]), (31, [])):
        async with api.database.transaction() as connection:
            ended = text("update sessions set expires_at = clock_timestamp() - make_interval(days => :days)")
            await connection.execute(ended, {"days": days})
        assert await lent(api) == left


@pytest.mark.parametrize(("role", "left"), [(Role.VIEWER, []), (Role.APPROVER, [("ida", (Role.APPROVER,))])])
async def test_only_the_newest_sign_in_counts(api: Api, role: Role, left: list[Any]) -> None:
    await admit_root(api)
    await sign_in(api, SSO)
    assert (await lend(api, by="root", delegator=SSO.key)).status_code == 201
    await sign_in(api, SSO.model_copy(update={"roles": (role,)}))
    assert await lent(api) == left


async def test_a_sign_in_of_the_same_name_elsewhere_takes_nothing_away(api: Api) -> None:
    await admit_root(api)
    await sign_in(api, SSO)
    assert (await lend(api, by="root", delegator=SSO.key)).status_code == 201
    await sign_in(api, SSO.model_copy(update={"issuer": "https://other.example", "roles": (Role.VIEWER,)}))
    assert await lent(api) == [("ida", (Role.APPROVER,))]


async def test_nobody_is_lent_more_votes_than_are_looked_at(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegations, "MOST_IN_FORCE", 2)
    assert [(await lend(api)).status_code for _ in range(2)] == [201, 201]
    third = await lend(api)
    assert (third.status_code, third.json()["reason_code"]) == (409, "too_many_delegations")
    assert len(await lent(api)) == 2
    monkeypatch.setattr(delegations, "MOST_IN_FORCE", 1)
    async with api.database.reading() as connection:
        assert await delegations.lent_to(connection, "default", VERA) == ()


async def test_two_people_whose_names_read_alike_are_never_one(api: Api) -> None:
    first = SSO.model_copy(update={"issuer": "https://sso.example/a", "subject": "b"})
    second = SSO.model_copy(update={"issuer": "https://sso.example", "subject": "a/b"})
    await sign_in(api, first)
    await sign_in(api, second.model_copy(update={"roles": (Role.VIEWER,)}))
    assert (await lend(api, to=first.key)).status_code == 201
    async with api.database.reading() as connection:
        assert len(await delegations.lent_to(connection, "default", first)) == 1
        assert await delegations.lent_to(connection, "default", second) == ()
        assert await delegations.known_person(connection, first.key) == first
        assert await delegations.known_person(connection, second.key) != first
