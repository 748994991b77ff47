"""Change windows, overrides and break-glass over HTTP: who may do what, and who never may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from adapters.store import break_glass as store
from adapters.store.database import database_now
from adapters.store.schema import break_glass
from api.safety.break_glass import grant_for
from api.safety.windows import schedule_of
from contracts.base import utc_now
from contracts.break_glass import BreakGlass
from contracts.configuration import ChangeWindow, DeclaredAgent
from contracts.principal import Principal, PrincipalKind
from contracts.proposal import ProposalState
from tests.api.serving import CONFIGURATION, Api, serving

GRANT = {
    "scope": {"environment": "production"},
    "gates": ["change_window"],
    "reason": "the site is down",
    "minutes": 30,
}
OVERRIDE = {"gate": "change_window", "reason": "the shop is down"}


def window(name: str, kind: str, hours: float, **changes: Any) -> ChangeWindow:
    """One that began an hour ago and lasts so many hours more."""
    now = utc_now()
    times = {"starts_at": now - timedelta(hours=9), "ends_at": now + timedelta(hours=hours)}
    fields = {"name": name, "kind": kind, "scope": {"everything": True}, "time_zone": "UTC"}
    return ChangeWindow.model_validate(fields | times | changes)


WINDOWS = (
    window("year-end", "freeze", 1),
    window("last-year", "allow", -8, scope={"environment": "development"}),
)


@pytest.fixture
async def frozen(migrated_database_url: str) -> AsyncIterator[Api]:
    """An API whose changes are frozen for another hour."""
    configuration = CONFIGURATION.model_copy(update={"windows": WINDOWS})
    async with serving(migrated_database_url, configuration=configuration) as made:
        yield made


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason_code"]


async def test_windows_are_listed_and_one_that_never_comes_again_is_told(frozen: Api) -> None:
    freeze, over = (await frozen.get("/v1/windows")).json()["items"]
    assert (freeze["name"], freeze["lasts"], freeze["warning"]) == ("year-end", True, "")
    assert freeze["changes_at"] is not None
    assert (over["lasts"], over["changes_at"]) == (False, None)
    assert "never comes again" in over["warning"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"cron": "0 9 * * 1-5", "duration": "8h30m"}, "0 9 * * 1-5 for 8 h 30 min"),
        (
            {"starts_at": "2026-12-23T23:00:00Z", "ends_at": "2026-12-31T22:59:59Z"},
            "2026-12-24 00:00 to 2026-12-31 23:59",
        ),
    ],
    ids=["cron", "moments"],
)
def test_a_schedule_is_told_in_the_windows_own_time(fields: dict[str, str], told: str) -> None:
    given = {"name": "w", "kind": "freeze", "scope": {"everything": True}, "time_zone": "Europe/Berlin"}
    assert schedule_of(ChangeWindow.model_validate(given | fields)) == told


async def test_a_closed_window_is_overridden_by_its_role_with_a_reason(frozen: Api) -> None:
    proposal_id = await frozen.propose()
    await frozen.move(proposal_id, ProposalState.READY)
    path = f"/v1/proposals/{proposal_id}/override"
    assert refused(await frozen.post(path, OVERRIDE, by="ben")) == (403, "role_required")
    assert refused(await frozen.post(path, OVERRIDE | {"reason": "  "}, by="olga")) == (
        422,
        "invalid_request",
    )
    assert refused(await frozen.post(path, OVERRIDE | {"gate": "halt"}, by="olga")) == (
        422,
        "invalid_request",
    )
    given = (await frozen.post(path, OVERRIDE, by="olga", key="o")).json()
    assert (given["windows"], given["state"]) == (["year-end"], "ready")
    assert (await frozen.post(path, OVERRIDE, by="olga", key="o")).json() == given
    assert await frozen.count("gate_overrides") == 1
    assert "gate.overridden" in await frozen.audit(proposal_id)
    assert [kind for kind, _ in await frozen.outbox(proposal_id)].count("wake") == 1


async def test_nobody_overrides_for_themselves_and_no_agent_for_anybody(frozen: Api) -> None:
    own = CONFIGURATION.model_copy(
        update={"windows": (window("year-end", "freeze", 1, override_roles=["approver", "operator"]),)}
    )
    object.__setattr__(frozen.parts, "configuration", own)
    proposal_id = await frozen.propose(by="ana")
    await frozen.move(proposal_id, ProposalState.READY)
    path = f"/v1/proposals/{proposal_id}/override"
    assert refused(await frozen.post(path, OVERRIDE, by="ana")) == (403, "not_eligible_author")
    assert refused(await frozen.post(path, OVERRIDE, by="bot")) == (403, "people_only")
    assert (await frozen.post(path, OVERRIDE, by="ben")).status_code == 200


async def test_nobody_overrides_for_an_agent_that_they_answer_for(frozen: Api) -> None:
    owned = frozen.parts.configuration.model_copy(
        update={"agents": {"bot": DeclaredAgent(owner="local/olga")}}
    )
    object.__setattr__(frozen.parts, "configuration", owned)
    proposal_id = await frozen.propose(by="bot")
    await frozen.move(proposal_id, ProposalState.READY)
    path = f"/v1/proposals/{proposal_id}/override"
    assert refused(await frozen.post(path, OVERRIDE, by="olga")) == (403, "not_eligible_owner")


async def test_there_is_nothing_to_override_without_a_closed_window_or_after_the_end(
    frozen: Api, api: Api
) -> None:
    proposal_id = await api.propose()
    path = f"/v1/proposals/{proposal_id}/override"
    assert refused(await api.post(path, OVERRIDE, by="olga")) == (409, "no_window_closes")
    assert refused(await frozen.post("/v1/proposals/prp_no/override", OVERRIDE, by="olga"))[0] == 404
    await frozen.post(f"/v1/proposals/{proposal_id}/cancel", by="ana")
    assert refused(await frozen.post(path, OVERRIDE, by="olga")) == (409, "not_overridable")


async def test_a_grant_is_shown_while_somebody_acts_on_it(api: Api) -> None:
    made = (await api.post("/v1/break-glass", GRANT, by="olga")).json()
    vera = Principal(kind=PrincipalKind.HUMAN, subject="vera")
    async with api.database.transaction() as acting:
        assert await store.lock(acting, api.parts.tenant, made["id"]) is not None
        async with asyncio.timeout(60):
            shown = await api.get(f"/v1/break-glass/{made['id']}")
            assert (await grant_for(api.parts, made["id"], vera)).view.id == made["id"]
    assert shown.json()["status"] == "awaiting_second"


async def test_break_glass_takes_two_people_and_a_third_closes_its_review(api: Api) -> None:
    made = (await api.post("/v1/break-glass", GRANT, by="olga")).json()
    assert (made["status"], made["expires_at"]) == ("awaiting_second", None)
    path = f"/v1/break-glass/{made['id']}"
    assert refused(await api.post(f"{path}/confirm", by="olga")) == (403, "same_person")
    assert refused(await api.post(f"{path}/confirm", by="vera")) == (403, "role_required")
    assert refused(await api.post(f"{path}/review", {"words": "fine"}, by="cleo")) == (409, "not_in_review")
    active = (await api.post(f"{path}/confirm", by="ben")).json()
    assert (active["status"], active["confirmed_by"]) == ("active", "local/ben")
    assert refused(await api.post(f"{path}/confirm", by="cleo")) == (409, "not_awaiting_second")
    assert (await api.post(f"{path}/end", by="ben")).json()["status"] == "review_open"
    for who in ("olga", "ben"):
        assert refused(await api.post(f"{path}/review", {"words": "fine"}, by=who)) == (403, "same_person")
    assert refused(await api.post(f"{path}/review", {"words": " "}, by="cleo")) == (422, "invalid_request")
    open_ones = (await api.get("/v1/break-glass", status="review_open")).json()["items"]
    assert [one["id"] for one in open_ones] == [made["id"]]
    closed = (await api.post(f"{path}/review", {"words": "it was right"}, by="cleo")).json()
    assert (closed["status"], closed["review"], closed["reviewed_by"]) == (
        "reviewed",
        "it was right",
        "local/cleo",
    )
    assert refused(await api.post(f"{path}/end", by="olga")) == (409, "not_active")
    assert await api.audit(made["id"]) == [
        "break_glass.opened",
        "break_glass.confirmed",
        "break_glass.ended",
        "break_glass.reviewed",
    ]


async def test_a_review_that_is_open_is_listed_however_many_grants_came_since(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_LISTED", 1)
    ids = []
    for _ in range(2):
        ids.append((await api.post("/v1/break-glass", GRANT, by="olga")).json()["id"])
    await api.post(f"/v1/break-glass/{ids[0]}/confirm", by="ben")
    await api.post(f"/v1/break-glass/{ids[0]}/end", by="ben")
    open_ones = (await api.get("/v1/break-glass", status="review_open")).json()["items"]
    assert [one["id"] for one in open_ones] == [ids[0]]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"gates": ["approval_rule"]}, (422, "gate_not_bypassable")),
        ({"gates": ["halt"]}, (422, "invalid_request")),
        ({"gates": ["acme-rules/freeze"]}, (422, "gate_not_bypassable")),
        ({"gates": ["Acme/freeze"]}, (422, "invalid_request")),
        ({"gates": ["scope"]}, (422, "invalid_request")),
        ({"gates": []}, (422, "invalid_request")),
        ({"minutes": 61}, (422, "break_glass_too_long")),
        ({"minutes": 0}, (422, "invalid_request")),
        ({"scope": {}}, (422, "invalid_request")),
        ({"scope": {"environment": "nowhere"}}, (422, "halt_scope_unknown")),
        ({"reason": "   "}, (422, "invalid_request")),
    ],
    ids=str,
)
async def test_what_cannot_be_granted_is_refused(
    api: Api, change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert refused(await api.post("/v1/break-glass", GRANT | change, by="olga")) == refusal
    assert await api.count("break_glass") == 0


async def test_an_agent_neither_opens_nor_confirms_nor_reviews(api: Api) -> None:
    assert refused(await api.post("/v1/break-glass", GRANT, by="bot")) == (403, "role_required")
    made = (await api.post("/v1/break-glass", GRANT, by="olga")).json()
    for step in ("confirm", "end", "review"):
        body = {"words": "x"} if step == "review" else None
        answer = await api.post(f"/v1/break-glass/{made['id']}/{step}", body, by="bot")
        assert refused(answer) == (403, "role_required")


async def test_an_expired_grant_is_in_review_at_once_and_can_be_reviewed_before_any_sweep(api: Api) -> None:
    made = (await api.post("/v1/break-glass", GRANT, by="olga")).json()
    path = f"/v1/break-glass/{made['id']}"
    await api.post(f"{path}/confirm", by="ben")
    async with api.database.transaction() as connection:
        now = await database_now(connection)
        row = (await connection.execute(break_glass.select())).one()
        over = BreakGlass.model_validate(row.document).model_copy(update={"expires_at": now})
        await connection.execute(
            update(break_glass).values(document=over.model_dump(mode="json"), expires_at=now)
        )
    assert (await api.get(path)).json()["status"] == "review_open"
    assert refused(await api.post(f"{path}/end", by="ben")) == (409, "not_active")
    assert (await api.post(f"{path}/review", {"words": "late"}, by="cleo")).json()["status"] == "reviewed"
