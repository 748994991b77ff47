from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, select, update

from adapters.store import breakers, ledger
from adapters.store.database import database_now
from adapters.store.ledger import Amount
from adapters.store.schema import breakers as breakers_table
from adapters.store.schema import intents, outbox, proposals
from contracts.configuration import BreakerLimits
from contracts.holds import on_breaker
from guardrails.budget.windows import window_at
from tests.api.serving import Api
from tests.steps import count_outcome, reserve


async def test_a_halt_with_nothing_in_flight_is_effective_at_once_and_can_be_ended(api: Api) -> None:
    body = {"scope": {"environment": "production"}, "reason": "incident 42"}
    made = (await api.post("/v1/halts", body, by="olga")).json()
    assert made["status"] == "effective"
    (shown,) = (await api.get("/v1/halts")).json()["items"]
    assert (shown["id"], shown["reason"], shown["created_by"]) == (made["id"], "incident 42", "local/olga")
    ended = await api.http.delete(f"/v1/halts/{made['id']}", headers=api.headers("olga"))
    assert ended.json() == {"id": made["id"], "status": "ended"}
    assert (await api.get("/v1/halts")).json()["items"] == []
    assert await api.audit(made["id"]) == ["halt.created", "halt.effective", "halt.ended"]


async def test_a_halt_must_say_what_it_covers_and_that_must_exist(api: Api) -> None:
    for scope in ({}, {"everything": True, "environment": "production"}, {"zone": "x"}):
        answer = await api.post("/v1/halts", {"scope": scope, "reason": "x"}, by="olga")
        assert (answer.status_code, answer.json()["reason_code"]) == (422, "invalid_request")
    for scope in (
        {"environment": "prod"},
        {"tenant": "other"},
        {"action_kind": "gke.node_pool.resise"},
        {"target": "acme-prod/serving/inference"},
        {"target": "acme-prod/*"},
        {"target": "gke.node_pool/acme-prod"},
    ):
        answer = await api.post("/v1/halts", {"scope": scope, "reason": "x"}, by="olga")
        assert (answer.status_code, answer.json()["reason_code"]) == (422, "halt_scope_unknown")
    too_long = await api.post("/v1/halts", {"scope": {"everything": True}, "reason": "x" * 2_001}, by="olga")
    assert (too_long.status_code, too_long.json()["reason_code"]) == (422, "invalid_request")
    assert (await api.get("/v1/halts")).json()["items"] == []


@pytest.mark.parametrize(
    "target",
    ["gke.node_pool/acme-prod/europe-west4/serving/inference", "gke.node_pool/acme-*", "gke.node_*", "*"],
)
async def test_a_halt_of_a_target_takes_its_key_or_the_beginning_of_some(api: Api, target: str) -> None:
    answer = await api.post("/v1/halts", {"scope": {"target": target}, "reason": "x"}, by="olga")
    assert answer.json()["status"] == "effective"


async def test_a_halt_repeated_under_its_key_is_one_halt(api: Api) -> None:
    body = {"scope": {"everything": True}, "reason": "x"}
    first = await api.post("/v1/halts", body, by="olga", key="h")
    assert (await api.post("/v1/halts", body, by="olga", key="h")).json() == first.json()
    assert await api.count("halts") == 1
    assert [kind for kind, _ in await api.outbox(first.json()["id"])] == ["notify"]


async def test_people_are_told_who_halted_what_and_why(api: Api) -> None:
    body = {"scope": {"environment": "production"}, "reason": "incident 42"}
    made = (await api.post("/v1/halts", body, by="olga")).json()
    async with api.database.reading() as connection:
        wanted = select(outbox.c.payload).where(outbox.c.kind == "notify", outbox.c.subject == made["id"])
        told = (await connection.execute(wanted)).scalar_one()
    assert told == {
        "event": "halt_created",
        "halt_id": made["id"],
        "reason_code": "halted_by_operator",
        "by": "local/olga",
        "reason": "incident 42",
        "scope": {"environment": "production"},
    }
    ended = await api.http.delete(f"/v1/halts/{made['id']}", headers=api.headers("olga"))
    assert ended.json()["status"] == "ended"
    assert len(await api.outbox(made["id"])) == 1


async def test_of_a_halt_that_was_refused_nobody_is_told(api: Api) -> None:
    refused = await api.post("/v1/halts", {"scope": {"environment": "prod"}, "reason": "x"}, by="olga")
    assert refused.status_code == 422
    by_a_requester = await api.post("/v1/halts", {"scope": {"everything": True}, "reason": "x"}, by="ana")
    assert by_a_requester.status_code == 403
    assert await api.count("outbox") == 0


async def test_an_unknown_halt_or_breaker_is_not_found(api: Api) -> None:
    ended = await api.http.delete("/v1/halts/hlt_none", headers=api.headers("olga"))
    assert (ended.status_code, ended.json()["reason_code"]) == (404, "halt_not_found")
    reset = await api.post("/v1/breakers/target:none/reset", {"reason": "x"}, by="olga")
    assert (reset.status_code, reset.json()["reason_code"]) == (404, "breaker_not_found")


async def test_an_open_breaker_is_listed_and_reset_with_a_reason(api: Api) -> None:
    ids = breakers.breaker_ids(
        "gke.node_pool/acme-prod/europe-west4/serving/inference", "gke.node_pool.resize"
    )
    async with api.database.transaction() as connection:
        now = await database_now(connection)
        limits = BreakerLimits(failures=1, cooldown=timedelta(hours=1))
        await count_outcome(connection, ids, False, "stock_out", limits, now)
    listed = (await api.get("/v1/breakers")).json()["items"]
    assert {one["id"]: one["state"] for one in listed} == dict.fromkeys(ids, "open")
    assert (await api.post(f"/v1/breakers/{ids[1]}/reset", {"reason": ""}, by="olga")).status_code == 422
    reset = await api.post(f"/v1/breakers/{ids[1]}/reset", {"reason": "stock is back"}, by="olga")
    assert (reset.status_code, reset.json()["state"], reset.json()["id"]) == (200, "closed", ids[1])


async def test_budgets_show_what_is_reserved_committed_and_left_in_the_present_window(api: Api) -> None:
    (empty,) = (await api.get("/v1/budgets")).json()["items"]
    assert (empty["scope"], empty["limit"], empty["left"]) == (
        "environment=production",
        "40000.00",
        "40000.00",
    )
    proposal_id = await api.propose()
    budget = api.parts.configuration.budgets[0]
    async with api.database.transaction() as connection:
        window = window_at(budget, await database_now(connection))
        amount = Amount(budget.scope.key, window.key, "USD", Decimal("250.25"))
        await reserve(connection, "default", proposal_id, [amount])
    (shown,) = (await api.get("/v1/budgets")).json()["items"]
    assert Decimal(shown["reserved"]) == Decimal("250.25")
    assert Decimal(shown["left"]) == Decimal("39749.75")
    await api.post(f"/v1/proposals/{proposal_id}/cancel", by="ana")
    (freed,) = (await api.get("/v1/budgets")).json()["items"]
    assert Decimal(freed["left"]) == Decimal(40000)


async def test_a_preview_tells_an_operator_what_a_halt_would_stop_and_changes_nothing(api: Api) -> None:
    waiting = await api.waiting()
    new = await api.propose()
    body = {"scope": {"environment": "production"}}
    shown = (await api.post("/v1/halts/preview", body, by="olga")).json()
    assert {one["id"]: one["fate"] for one in shown["stops"]} == {waiting["id"]: "held", new: "denied"}
    assert (shown["stops_count"], shown["finishes_count"], shown["scope"]["environment"]) == (
        2,
        0,
        "production",
    )
    assert shown["stops"][0]["summary"] == waiting["summary"]
    assert await api.count("halts") == 0
    other = (await api.post("/v1/halts/preview", {"scope": {"environment": "development"}}, by="olga")).json()
    assert other["stops"] == []


async def test_a_preview_takes_an_operator_and_a_scope_that_exists(api: Api) -> None:
    assert (await api.post("/v1/halts/preview", {"scope": {"everything": True}}, by="ana")).status_code == 403
    answer = await api.post("/v1/halts/preview", {"scope": {"environment": "prod"}}, by="olga")
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "halt_scope_unknown")


async def test_one_halt_is_shown_with_what_it_drains_and_later_with_who_ended_it(api: Api) -> None:
    proposal_id = await api.propose()
    async with api.database.transaction() as connection:
        deadline = await database_now(connection) + timedelta(seconds=60)
        await connection.execute(
            update(proposals).where(proposals.c.id == proposal_id).values(state="executing")
        )
        await connection.execute(
            insert(intents).values(
                key=f"{proposal_id}/1/forward",
                proposal_id=proposal_id,
                step="forward",
                document={},
                fence=1,
                call_deadline=deadline,
            )
        )
    made = (await api.post("/v1/halts", {"scope": {"everything": True}, "reason": "drill"}, by="olga")).json()
    shown = (await api.get(f"/v1/halts/{made['id']}")).json()
    assert (shown["status"], shown["reach"]["calls_in_flight"]) == ("draining", 1)
    assert shown["reach"]["last_deadline"] == shown["reach"]["finishes"][0]["until"]
    assert shown["reach"]["finishes"][0]["fate"] == "calling"
    await api.http.delete(f"/v1/halts/{made['id']}", headers=api.headers("olga"))
    shown = (await api.get(f"/v1/halts/{made['id']}")).json()
    assert (shown["status"], shown["ended_by"], shown["reach"]) == ("ended", "local/olga", None)
    (listed,) = (await api.get("/v1/halts", ended=True)).json()["items"]
    assert (listed["id"], listed["ended_by"]) == (made["id"], "local/olga")
    unknown = await api.get("/v1/halts/hlt_none")
    assert (unknown.status_code, unknown.json()["reason_code"]) == (404, "halt_not_found")


async def test_a_breaker_tells_its_cooldown_what_it_holds_and_its_moves(api: Api) -> None:
    proposal_id = await api.propose()
    kind = "kind:gke.node_pool.resize"
    async with api.database.transaction() as connection:
        now = await database_now(connection)
        limits = BreakerLimits(failures=1, cooldown=timedelta(hours=1), jitter=0)
        await count_outcome(connection, [kind], False, "GCE_STOCKOUT", limits, now)
        await connection.execute(
            update(proposals)
            .where(proposals.c.id == proposal_id)
            .values(state="ready", held_on=on_breaker(kind))
        )
    (shown,) = (await api.get("/v1/breakers")).json()["items"]
    assert 3_500 < shown["cooldown_seconds_left"] <= 3_600
    assert ([one["id"] for one in shown["held"]], shown["held_count"]) == ([proposal_id], 1)
    assert [(one["from_state"], one["to_state"], one["reason_code"]) for one in shown["moves"]] == [
        ("closed", "open", "GCE_STOCKOUT")
    ]
    await api.post(f"/v1/breakers/{kind}/reset", {"reason": "stock is back"}, by="olga")
    (closed,) = (await api.get("/v1/breakers")).json()["items"]
    assert (closed["state"], closed["cooldown_seconds_left"]) == ("closed", None)
    assert (closed["moves"][0]["actor"], closed["moves"][0]["reason"]) == ("local/olga", "stock is back")


async def test_an_operator_opens_a_breaker_that_never_failed(api: Api) -> None:
    target = "target:gke.node_pool/acme-prod/europe-west4/serving/inference"
    path, body = f"/v1/breakers/{target}/open", {"reason": "maintenance", "duration": "2h"}
    assert (await api.post(path, body, by="ben")).status_code == 403
    first = await api.post(path, body, by="olga", key="o")
    assert (await api.post(path, body, by="olga", key="o")).json() == first.json()
    opened = first.json()
    assert (opened["state"], opened["rule"]) == ("open", "operator")
    lasts = datetime.fromisoformat(opened["open_until"]) - datetime.fromisoformat(opened["opened_at"])
    assert lasts == timedelta(hours=2)
    (shown,) = (await api.get("/v1/breakers")).json()["items"]
    (moved,) = shown["moves"]
    assert (moved["actor"], moved["reason"], moved["to_state"]) == ("local/olga", "maintenance", "open")
    await api.post(f"/v1/breakers/{target}/reset", {"reason": "done"}, by="olga")
    assert await api.audit(target) == ["breaker.moved", "breaker.moved"]


async def test_without_a_duration_it_stays_open_until_somebody_closes_it(api: Api) -> None:
    for name in ("kind:gke.node_pool.resize", "provider:gke", "agent:sluice/capacity-agent", "model:gpt-5"):
        opened = await api.post(f"/v1/breakers/{name}/open", {"reason": "stop"}, by="olga")
        assert (opened.status_code, opened.json()["open_until"]) == (200, None)
    assert {one["state"] for one in (await api.get("/v1/breakers")).json()["items"]} == {"open"}


async def test_a_breaker_that_would_guard_nothing_is_not_opened(api: Api) -> None:
    unknown = ("kind:gke.cluster.delete", "provider:aws", "target:gke.node_pool/a/b/c/d", "agent:capacity")
    unregistered = "target:gke.node_pool/acme-none/europe-west4/serving/inference"
    for name in (*unknown, unregistered, "pool:x", "model: "):
        refused = await api.post(f"/v1/breakers/{name}/open", {"reason": "stop"}, by="olga")
        assert (refused.status_code, refused.json()["reason_code"]) == (422, "breaker_guards_nothing"), name
    for body in ({"reason": ""}, {"reason": "x", "duration": "0s"}, {"reason": "x", "duration": "91d"}, {}):
        refused = await api.post("/v1/breakers/provider:gke/open", body, by="olga")
        assert (refused.status_code, refused.json()["reason_code"]) == (422, "invalid_request")
    assert (await api.get("/v1/breakers")).json()["items"] == []


async def test_the_probe_of_a_half_open_breaker_is_named(api: Api) -> None:
    proposal_id = await api.propose()
    async with api.database.transaction() as connection:
        await connection.execute(
            insert(breakers_table).values(
                id="kind:gke.node_pool.resize", state="half_open", probe_owner=proposal_id
            )
        )
    (shown,) = (await api.get("/v1/breakers")).json()["items"]
    assert (shown["probe_owner"], shown["probe"]["id"]) == (proposal_id, proposal_id)


async def test_a_budget_tells_what_is_spent_its_forecast_and_the_way_there(api: Api) -> None:
    budget = api.parts.configuration.budgets[0]
    proposal_id = await api.propose()
    async with api.database.transaction() as connection:
        window = window_at(budget, await database_now(connection))
        amount = Amount(budget.scope.key, window.key, "USD", Decimal("250.25"))
        await reserve(connection, "default", proposal_id, [amount])
        await ledger.commit_all(connection, proposal_id)
    shown = (await api.get("/v1/budgets")).json()
    (item,) = shown["items"]
    assert Decimal(item["committed"]) == Decimal("250.25")
    assert Decimal(item["spent"]) <= Decimal("250.25") <= Decimal(item["forecast"])
    assert 2 <= len(item["series"]) <= 120
    first, last = item["series"][0], item["series"][-1]
    assert (first["at"], first["committed"]) == (item["starts_at"], "0.00")
    assert (last["at"], Decimal(last["committed"])) == (shown["at"], Decimal("250.25"))
    assert (shown["models"]["cap"], shown["models"]["spent"], shown["models"]["days"]) == (None, "0.00", [])
