"""How people decide: counted from what is stored, over a bounded span, and shown to whom it concerns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from contracts.decision import DecisionStatus
from contracts.proposal import ProposalState as S
from tests.api.serving import Api, decision_on


async def decided(
    api: Api, by: str, decision: str = "approve", *, after: float = 60, status: str = "applied"
) -> str:
    """Somebody decides so many seconds after it began to wait; it is applied as the workflow does."""
    view = await api.waiting()
    answer = await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view, decision), by=by)
    assert answer.status_code == 200, answer.text
    await settle(api, view["id"], status)
    await shift(api, view["id"], after)
    return str(view["id"])


async def settle(api: Api, proposal_id: str, status: str = "applied") -> None:
    async with api.database.transaction() as connection:
        await connection.execute(
            text("update decisions set status = :status where proposal_id = :id and status = 'recorded'"),
            {"status": DecisionStatus(status).value, "id": proposal_id},
        )


async def shift(api: Api, proposal_id: str, after: float) -> None:
    """Have it waited for so many seconds before the decision."""
    async with api.database.transaction() as connection:
        await connection.execute(
            text(
                "update evaluations e set created_at = d.created_at - make_interval(secs => :after)"
                " from decisions d where d.proposal_id = e.proposal_id and e.proposal_id = :id"
            ),
            {"after": after, "id": proposal_id},
        )


async def figures(api: Api, by: str = "olga", **span: Any) -> dict[str, dict[str, Any]]:
    answer = await api.get("/v1/approvers", by=by, **span)
    assert answer.status_code == 200, answer.text
    return {one["reviewer"]: one for one in answer.json()["items"]}


async def test_approvals_rejections_rate_and_times_are_counted_per_person(api: Api) -> None:
    for after in (2, 4, 6, 100):
        await decided(api, "ben", after=after)
    await decided(api, "ben", "reject", after=1_000)
    await decided(api, "cleo", "request_change", after=30)
    found = await figures(api)
    ben, cleo = found["local/ben"], found["local/cleo"]
    assert (ben["approvals"], ben["rejections"], ben["change_requests"]) == (4, 1, 0)
    assert ben["approval_rate"] == 0.8
    assert (round(ben["median_seconds"]), round(ben["p90_seconds"])) == (6, 640)
    assert ben["under_ten_seconds"] == pytest.approx(0.6)
    assert (cleo["approval_rate"], cleo["change_requests"]) == (None, 1)
    assert list(found) == ["local/ben", "local/cleo"]


async def test_a_decision_that_never_counted_is_not_counted(api: Api) -> None:
    await decided(api, "ben", status="refused")
    assert await figures(api) == {}


async def test_what_came_of_approvals_is_counted(api: Api) -> None:
    way = (S.READY, S.EXECUTING, S.VERIFYING)
    back = await decided(api, "ben")
    await api.move(back, *way, S.ROLLING_BACK, S.ROLLED_BACK)
    dirty = await decided(api, "ben")
    await api.move(dirty, *way, S.DIRTY)
    good = await decided(api, "ben")
    await api.move(good, *way, S.SUCCEEDED)
    await decided(api, "ben", status="voided")
    contested = await decided(api, "ben")
    view = await api.view(contested)
    await api.post(f"/v1/proposals/{contested}/decisions", decision_on(view, "reject"), by="cleo")
    await settle(api, contested)
    ben = (await figures(api))["local/ben"]
    assert (ben["approvals"], ben["later_undone"], ben["overridden"]) == (5, 2, 2)


async def test_decisions_for_somebody_else_are_told_apart(api: Api) -> None:
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await api.post("/v1/delegations", {"to": "vera", "until": until, "reason": "away"}, by="ben")
    await decided(api, "vera")
    await decided(api, "ben")
    found = await figures(api)
    assert {name: one["on_behalf"] for name, one in found.items()} == {"local/vera": 1, "local/ben": 0}


async def test_everybody_sees_their_own_figures_and_operators_all(api: Api) -> None:
    await decided(api, "ben")
    await decided(api, "cleo")
    assert set(await figures(api, by="ben")) == {"local/ben"}
    assert set(await figures(api, by="vera")) == set()
    assert set(await figures(api, by="olga")) == {"local/ben", "local/cleo"}


async def test_only_decisions_of_the_span_are_counted(api: Api) -> None:
    await decided(api, "ben")
    now = datetime.now(UTC)
    before = {"since": (now - timedelta(days=3)).isoformat(), "until": (now - timedelta(days=1)).isoformat()}
    assert await figures(api, **before) == {}
    assert set(await figures(api, since=(now - timedelta(days=1)).isoformat())) == {"local/ben"}


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
    ids=["backwards", "empty", "longer than a year"],
)
async def test_a_span_that_is_none_or_too_long_is_refused(api: Api, since: str, until: str) -> None:
    answer = await api.get("/v1/approvers", by="olga", since=since, until=until)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "span_invalid")


async def test_a_moment_without_an_offset_is_refused(api: Api) -> None:
    answer = await api.get("/v1/approvers", by="olga", since="2026-01-01T00:00:00")
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "invalid_request")


async def test_another_tenants_decisions_are_not_counted(api: Api) -> None:
    proposal_id = await decided(api, "ben")
    async with api.database.transaction() as connection:
        await connection.execute(
            text("update proposals set tenant = 'other' where id = :id"), {"id": proposal_id}
        )
    assert await figures(api) == {}


async def test_the_span_is_found_by_its_index(api: Api) -> None:
    async with api.database.transaction() as connection:
        await connection.execute(text("set local enable_seqscan = off"))
        plan = await connection.execute(
            text("explain select * from decisions where created_at >= now() - interval '1 day'")
        )
        assert "ix_decisions_by_time" in "\n".join(plan.scalars())
