"""Somebody else decides in one's place, for a while: what is lent, to whom, and what it can never do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from adapters.store import delegations, tokens
from adapters.store.inbox import Tab
from adapters.store.proposal_filters import ProposalFilters
from api.web.inbox import service as inbox
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from tests.api.serving import Api, decision_on

LATER = timedelta(days=7)


def at(offset: timedelta) -> str:
    return (datetime.now(UTC) + offset).isoformat()


async def lend(api: Api, *, by: str = "ben", to: str = "vera", **changes: Any) -> dict[str, Any]:
    body = {"to": to, "until": at(LATER), "reason": "on holiday"} | changes
    answer = await api.post("/v1/delegations", body, by=by)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(api: Api, *, by: str = "ben", **changes: Any) -> tuple[int, str]:
    body = {"to": "vera", "until": at(LATER), "reason": "on holiday"} | changes
    answer = await api.post("/v1/delegations", body, by=by)
    return answer.status_code, answer.json()["reason_code"]


async def decide(api: Api, view: dict[str, Any], *, by: str = "vera") -> tuple[int, str]:
    answer = await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by=by)
    return answer.status_code, answer.json().get("reason_code", "")


async def end(api: Api, delegation_id: str, *, by: str) -> int:
    answer = await api.http.delete(f"/v1/delegations/{delegation_id}", headers=api.headers(by))
    return answer.status_code


async def add_admin(api: Api) -> None:
    admin = Principal(kind=PrincipalKind.HUMAN, subject="adam", roles=(Role.ADMIN,))
    async with api.database.transaction() as connection:
        api.tokens["adam"] = await tokens.issue(connection, admin, actor=SYSTEM, tenant="default")


async def test_the_delegate_decides_with_what_was_lent_and_it_is_signed(api: Api) -> None:
    view = await api.waiting()
    assert await decide(api, view) == (403, "not_eligible_role")
    await lend(api)
    assert await decide(api, view) == (200, "")
    (signed,) = api.gateway.decided
    decision = signed.decision
    assert (decision.reviewer.subject, decision.reviewer.roles) == ("vera", (Role.VIEWER, Role.APPROVER))
    assert [(one.subject, one.roles) for one in decision.on_behalf_of] == [("ben", (Role.APPROVER,))]
    (vote,) = (await api.view(view["id"]))["approvals"]
    assert (vote["reviewer"]["subject"], vote["on_behalf_of"][0]["subject"]) == ("vera", "ben")


async def test_whoever_may_decide_by_themself_borrows_nothing(api: Api) -> None:
    view = await api.waiting()
    await lend(api, to="cleo")
    assert await decide(api, view, by="cleo") == (200, "")
    assert api.gateway.decided[0].decision.on_behalf_of == ()


async def test_the_page_knows_that_the_delegate_may_decide_and_who_is_away(api: Api) -> None:
    view = await api.waiting()
    made = await lend(api)
    seen = await api.view(view["id"], by="vera")
    assert seen["eligibility"]["may_decide"] is True
    (away,) = seen["who_can_decide"]["away"]
    assert (away["who"]["subject"], away["delegate"]["subject"], away["out_of_office"]) == (
        "ben",
        "vera",
        True,
    )
    assert await end(api, made["id"], by="ben") == 200
    after = await api.view(view["id"], by="vera")
    assert (after["eligibility"]["may_decide"], after["who_can_decide"]["away"]) == (False, [])


async def test_it_waits_in_the_inbox_of_the_delegate(api: Api) -> None:
    await api.waiting()
    wanted = inbox.Wanted(Tab.MINE, ProposalFilters())
    vera = Principal(kind=PrincipalKind.HUMAN, subject="vera", roles=(Role.VIEWER,))
    assert (await inbox.show(api.parts, vera, wanted)).rows == ()
    await lend(api)
    (row,) = (await inbox.show(api.parts, vera, wanted)).rows
    assert row.may_decide


@pytest.mark.parametrize("how", ["not yet", "over", "revoked"])
async def test_outside_its_time_nothing_is_lent(api: Api, how: str) -> None:
    view = await api.waiting()
    made = await lend(api, **({"starts_at": at(timedelta(hours=1))} if how == "not yet" else {}))
    if how == "over":
        async with api.database.transaction() as connection:
            await connection.execute(text("update delegations set until = clock_timestamp()"))
    if how == "revoked":
        assert await end(api, made["id"], by="ben") == 200
    assert await decide(api, view) == (403, "not_eligible_role")


async def test_four_eyes_hold_for_the_delegator_too(api: Api) -> None:
    await lend(api, by="ana")
    own = await api.waiting(by="ana")
    assert await decide(api, own) == (403, "not_eligible_delegator")
    of_another = await api.waiting(by="bot")
    assert await decide(api, of_another) == (200, "")


async def test_the_requester_gains_nothing_from_a_borrowed_vote(api: Api) -> None:
    await lend(api, to="ana")
    view = await api.waiting(by="ana")
    assert await decide(api, view, by="ana") == (403, "not_eligible_requester")


async def test_delegations_do_not_chain(api: Api) -> None:
    view = await api.waiting()
    await lend(api, by="ben", to="vera")
    await lend(api, by="vera", to="olga")
    assert await decide(api, view, by="olga") == (403, "not_eligible_role")


async def test_a_delegate_is_one_voter_and_the_delegator_another(api: Api) -> None:
    view = await api.waiting()
    await lend(api, by="ben")
    await lend(api, by="cleo")
    assert await decide(api, view) == (200, "")
    assert await decide(api, view) == (409, "already_voted")
    assert await decide(api, view, by="ben") == (200, "")


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"environment": "production"}, 200),
        ({"environment": "development"}, 403),
        ({"team": "inference"}, 200),
        ({"team": "research"}, 403),
        ({"environment": "production", "team": "research"}, 403),
    ],
    ids=[
        "its environment",
        "another environment",
        "its team",
        "another team",
        "its environment, another team",
    ],
)
async def test_a_scope_bounds_what_is_lent(api: Api, scope: dict[str, str], status: int) -> None:
    view = await api.waiting()
    made = await lend(api, scope=scope)
    assert made["out_of_office"] is False
    assert (await decide(api, view))[0] == status


async def test_it_lends_the_vote_and_nothing_else(api: Api) -> None:
    await lend(api, by="olga", to="vera")
    halt = await api.post("/v1/halts", {"scope": {"everything": True}, "reason": "try"}, by="vera")
    assert halt.status_code == 403


@pytest.mark.parametrize(
    ("by", "changes", "answer"),
    [
        ("bot", {}, (403, "not_eligible_kind")),
        ("ben", {"to": "bot"}, (422, "not_eligible_kind")),
        ("ben", {"to": "nobody-knows-me"}, (422, "person_unknown")),
        ("ben", {"to": "ben"}, (422, "delegation_invalid")),
        ("ben", {"until": "2020-01-01T00:00:00Z"}, (422, "delegation_invalid")),
        ("ben", {"until": "2999-01-01T00:00:00Z"}, (422, "delegation_invalid")),
        ("ben", {"until": "2999-01-01T00:00:00"}, (422, "invalid_request")),
        ("ben", {"reason": ""}, (422, "invalid_request")),
        ("ben", {"scope": {"environment": "moon"}}, (422, "environment_unknown")),
        ("ben", {"scope": {"environment": ""}}, (422, "invalid_request")),
        ("vera", {"delegator": "ben", "to": "cleo"}, (403, "role_required")),
    ],
    ids=[
        "by an agent", "to an agent", "to nobody", "to oneself", "over", "too long", "no offset", "no reason",
        "unknown environment", "blank environment", "for another",
    ],
)  # fmt: skip
async def test_what_is_no_delegation_is_refused(
    api: Api, by: str, changes: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert await refused(api, by=by, **changes) == answer
    assert await api.count("delegations") == 0


async def test_somebody_whose_token_was_revoked_is_nobody_to_lend_to(api: Api) -> None:
    async with api.database.transaction() as connection:
        await tokens.revoke(connection, tokens.token_id(api.tokens["vera"]), actor=SYSTEM, tenant="default")
    assert await refused(api) == (422, "person_unknown")


async def test_an_admin_delegates_for_somebody_who_is_away(api: Api) -> None:
    await add_admin(api)
    made = await lend(api, by="adam", delegator="local/ben")
    assert (made["delegator"], made["created_by"]) == ("local/ben", "local/adam")
    assert await decide(api, await api.waiting()) == (200, "")


async def test_an_admin_takes_nobodys_vote_for_themself(api: Api) -> None:
    await add_admin(api)
    assert await refused(api, by="adam", delegator="ben", to="adam") == (403, "delegation_taken")
    assert await decide(api, await api.waiting(), by="adam") == (403, "not_eligible_role")
    await lend(api, by="ben", to="adam")
    assert await decide(api, await api.waiting(), by="adam") == (200, "")


async def test_who_may_see_and_end_it(api: Api) -> None:
    await add_admin(api)
    made = await lend(api)
    listed = {
        by: len((await api.get("/v1/delegations", by=by)).json()["items"])
        for by in ("ben", "vera", "cleo", "olga", "adam")
    }
    assert listed == {"ben": 1, "vera": 1, "cleo": 0, "olga": 1, "adam": 1}
    ended = {by: await end(api, made["id"], by=by) for by in ("cleo", "vera", "olga", "adam", "ben")}
    assert ended == {"cleo": 404, "vera": 403, "olga": 403, "adam": 200, "ben": 200}
    assert await api.audit(made["id"]) == ["delegation.created", "delegation.revoked"]
    assert (await api.get("/v1/delegations", by="ben")).json()["items"] == []


async def test_a_repeated_call_makes_one_delegation(api: Api) -> None:
    body = {"to": "vera", "until": at(LATER), "reason": "on holiday"}
    first = await api.post("/v1/delegations", body, by="ben", key="one")
    again = await api.post("/v1/delegations", body, by="ben", key="one")
    assert (first.json(), await api.count("delegations")) == (again.json(), 1)


async def test_ending_waits_for_a_decision_that_is_being_stored_by_it(api: Api) -> None:
    made = await lend(api)
    vera = Principal(kind=PrincipalKind.HUMAN, subject="vera", roles=(Role.VIEWER,))
    async with api.database.transaction() as connection:
        (held,) = await delegations.lent_to(connection, "default", vera, holding=True)
        ending = asyncio.create_task(end(api, made["id"], by="ben"))
        await asyncio.sleep(0.3)
        assert not ending.done()
        (still,) = await delegations.lent_to(connection, "default", vera, holding=True)
        assert still == held
    assert await ending == 200
