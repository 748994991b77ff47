from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from adapters.opa.engine import OpaPolicyEngine
from adapters.store.revision import REVISION
from api.app import create_app
from tests.api.serving import Api, serving
from tests.opa_fixtures import TIMEOUT, running_opa
from tests.tables_at import AFTER, BEFORE, bring_to, call_it
from tests.waiting import eventually


async def test_health_asks_nobody_and_readiness_asks_every_part(api: Api) -> None:
    assert (await api.http.get("/healthz")).json() == {"status": "ok"}
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert set(ready.json()["checks"]) == {"database", "temporal"}


async def test_readiness_fails_when_one_part_does_not_answer(migrated_database_url: str) -> None:
    async def broken() -> None:
        raise OSError("refused at 10.0.0.7")

    async with serving(migrated_database_url, probes={"opa": broken}) as other:
        answer = await other.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["opa"] == {"ok": False, "age_seconds": None, "reason": None}
        assert answer.json()["checks"]["database"]["ok"] is True
        assert "10.0.0.7" not in answer.text


async def test_readiness_fails_on_an_opa_without_policies_and_says_so(
    migrated_database_url: str, opa_binary: Path, tmp_path: Path
) -> None:
    with running_opa(opa_binary, tmp_path) as empty:
        engine = OpaPolicyEngine(empty, timeout=TIMEOUT)
        try:
            async with serving(migrated_database_url, probes={"opa": engine.check}) as other:
                answer = await other.http.get("/readyz")
        finally:
            await engine.close()
    assert (answer.status_code, answer.json()["checks"]["opa"]["ok"]) == (503, False)
    assert "has no policies" in answer.json()["checks"]["opa"]["reason"]


async def test_readiness_fails_on_tables_of_the_version_before_and_names_both_and_the_command(
    database_url: str,
) -> None:
    await bring_to(database_url, BEFORE)
    async with serving(database_url) as old:
        answer = await old.http.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    reason = answer.json()["checks"]["database"]["reason"]
    assert reason.startswith(f"the database's tables are at {BEFORE}, and this version needs {REVISION}")
    assert "`sluice migrate`" in reason


async def test_readiness_follows_tables_that_are_migrated_while_the_api_runs(api: Api) -> None:
    async def reason_of(revision: str) -> str | None:
        async with api.database.transaction() as connection:
            await call_it(connection, revision)

        async def changed() -> bool:
            return (await api.http.get("/readyz")).is_success is (revision == REVISION)

        await eventually(changed)
        found: str | None = (await api.http.get("/readyz")).json()["checks"]["database"]["reason"]
        return found

    assert await reason_of(REVISION) is None
    newer = await reason_of(AFTER)
    assert newer is not None
    assert f"tables are at {AFTER}, newer than {REVISION}" in newer
    assert await reason_of(REVISION) is None


async def test_metrics_count_by_route_and_show_what_waits(api: Api) -> None:
    api.gateway.is_down = True
    await api.waiting()
    text = (await api.get("/metrics")).text
    assert 'route="/v1/proposals/{proposal_id}"' in text
    assert 'sluice_proposals{state="awaiting_approval"} 1.0' in text
    assert "sluice_outbox_pending 2.0" in text
    assert "prp_" not in text


async def test_openapi_is_3_1_and_names_security_and_actions(api: Api) -> None:
    document: dict[str, Any] = (await api.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "HTTPBearer" in document["components"]["securitySchemes"]
    assert "ResizeNodePool" in document["components"]["schemas"]
    assert document["paths"]["/v1/proposals"]["post"]["security"] == [{"HTTPBearer": []}]


async def test_background_loops_run_with_the_application_and_are_started_again(api: Api) -> None:
    runs = asyncio.Semaphore(0)

    async def loop() -> None:
        runs.release()
        raise RuntimeError("lost its connection")

    app = create_app(replace(api.parts, loops=(loop,)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sluice.test") as http:
            assert (await http.get("/healthz")).status_code == 200
        async with asyncio.timeout(60):
            await runs.acquire()
            await runs.acquire()
