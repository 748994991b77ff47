from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from adapters.store import breakers, ledger
from adapters.store.database import database_now
from adapters.store.ledger import Amount
from contracts.configuration import BreakerLimits
from guardrails.budget.windows import window_at
from tests.api.serving import Api


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
    for scope in ({"environment": "prod"}, {"tenant": "other"}):
        answer = await api.post("/v1/halts", {"scope": scope, "reason": "x"}, by="olga")
        assert (answer.status_code, answer.json()["reason_code"]) == (422, "halt_scope_unknown")
    assert (await api.get("/v1/halts")).json()["items"] == []


async def test_a_halt_repeated_under_its_key_is_one_halt(api: Api) -> None:
    body = {"scope": {"everything": True}, "reason": "x"}
    first = await api.post("/v1/halts", body, by="olga", key="h")
    assert (await api.post("/v1/halts", body, by="olga", key="h")).json() == first.json()
    assert await api.count("halts") == 1


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
        await breakers.record_outcome(connection, ids, False, "stock_out", limits, now)
    listed = (await api.get("/v1/breakers")).json()["items"]
    assert {one["id"]: one["state"] for one in listed} == dict.fromkeys(ids, "open")
    assert (await api.post(f"/v1/breakers/{ids[1]}/reset", {"reason": ""}, by="olga")).status_code == 422
    reset = await api.post(f"/v1/breakers/{ids[1]}/reset", {"reason": "stock is back"}, by="olga")
    assert (reset.status_code, reset.json()["state"], reset.json()["id"]) == (200, "closed", ids[1])


async def test_budgets_show_what_is_reserved_committed_and_left_in_the_present_window(api: Api) -> None:
    (empty,) = (await api.get("/v1/budgets")).json()["items"]
    assert (empty["scope"], empty["limit"], empty["left"]) == ("environment=production", "40000", "40000")
    proposal_id = await api.propose()
    budget = api.parts.configuration.budgets[0]
    async with api.database.transaction() as connection:
        window = window_at(budget, await database_now(connection))
        amount = Amount(budget.scope.key, window.key, "USD", Decimal("250.25"))
        await ledger.reserve(connection, "default", proposal_id, [amount])
    (shown,) = (await api.get("/v1/budgets")).json()["items"]
    assert Decimal(shown["reserved"]) == Decimal("250.25")
    assert Decimal(shown["left"]) == Decimal("39749.75")
    await api.post(f"/v1/proposals/{proposal_id}/cancel", by="ana")
    (freed,) = (await api.get("/v1/budgets")).json()["items"]
    assert Decimal(freed["left"]) == Decimal(40000)
