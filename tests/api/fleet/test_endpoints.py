from __future__ import annotations

from datetime import timedelta

from adapters.store import fleet
from adapters.store.database import database_now
from adapters.store.fleet import Look
from contracts.action import NodePoolTarget
from tests.api.serving import Api, observation

TARGET = NodePoolTarget(
    project="acme-prod", location="europe-west4", cluster="serving", node_pool="inference"
)


async def keep(api: Api, *, reason_code: str | None = None, sizes: tuple[int, ...] = (2, 3)) -> None:
    async with api.database.transaction() as connection:
        now = await database_now(connection)
        seen = None if reason_code else observation(now - timedelta(seconds=5), sizes)
        look = Look(TARGET, "production", "inference", observation=seen, reason_code=reason_code)
        await fleet.record(connection, "default", [look], now)


async def test_before_the_first_look_there_is_nothing(api: Api) -> None:
    shown = (await api.get("/v1/fleet")).json()
    assert (shown["looked_at"], shown["items"]) == (None, [])


async def test_a_pool_is_shown_with_its_size_its_limit_and_what_is_about_to_change(api: Api) -> None:
    await keep(api)
    proposal_id = await api.propose()
    (pool,) = (await api.get("/v1/fleet")).json()["items"]
    assert (pool["key"], pool["environment"], pool["is_production"]) == (TARGET.key, "production", True)
    assert (pool["max_nodes_per_zone"], pool["reason_code"]) == (12, None)
    seen = pool["seen"]
    assert (seen["target_size"], seen["running"], seen["machine_type"]) == (5, 5, "g2-standard-8")
    assert [(zone["zone"], zone["target_size"]) for zone in seen["zones"]] == [
        ("europe-west4-a", 2),
        ("europe-west4-b", 3),
    ]
    assert 4 < seen["age_seconds"] < 60
    (change,) = pool["pending"]
    assert (change["id"], change["state"]) == (proposal_id, "evaluating")
    assert change["summary"] == "resize acme-prod/serving/inference to 4 per zone"


async def test_a_pool_that_cannot_be_read_now_shows_why_and_what_was_seen_last(api: Api) -> None:
    await keep(api)
    await keep(api, reason_code="provider_unavailable")
    (pool,) = (await api.get("/v1/fleet")).json()["items"]
    assert (pool["reason_code"], pool["seen"]["running"]) == ("provider_unavailable", 5)


async def test_the_fleet_takes_a_role(api: Api) -> None:
    assert (await api.get("/v1/fleet", by="nobody")).status_code == 403
