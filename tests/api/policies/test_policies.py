"""`GET /v1/policies`: what OPA says it runs, for anybody with a role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.opa.engine import OpaPolicyEngine
from adapters.opa.sources import policy_names
from tests.api.serving import Api, serving
from tests.opa_fixtures import TIMEOUT


@pytest.fixture
async def with_opa(migrated_database_url: str, opa_url: str) -> AsyncIterator[Api]:
    engine = OpaPolicyEngine(opa_url, timeout=TIMEOUT)
    async with serving(migrated_database_url, policies=engine) as served:
        yield served
    await engine.close()


async def test_every_policy_is_told_with_its_title_level_and_remedy(with_opa: Api) -> None:
    answer = await with_opa.get("/v1/policies", by="vera")
    assert answer.status_code == 200
    found = answer.json()
    assert tuple(one["name"] for one in found["policies"]) == policy_names()
    assert found["revision"].startswith("sha256:")
    pool = next(one for one in found["policies"] if one["name"] == "pool_maximum")
    assert (pool["level"], pool["title"]) == ("hard", "Pool maximum by environment")
    assert pool["remedy"] == "Ask for fewer nodes."


async def test_without_an_answer_no_policy_is_told(migrated_database_url: str, tmp_path: Path) -> None:
    nobody = OpaPolicyEngine(f"unix://{tmp_path}/nobody", timeout=TIMEOUT)
    async with serving(migrated_database_url, policies=nobody) as served:
        answer = await served.get("/v1/policies")
        assert (answer.status_code, answer.json()["reason_code"]) == (503, "policy_unavailable")
    await nobody.close()


async def test_without_an_address_of_opa_no_policy_is_told(api: Api) -> None:
    answer = await api.get("/v1/policies")
    assert (answer.status_code, answer.json()["reason_code"]) == (503, "policy_unavailable")


async def test_whoever_holds_no_role_is_told_nothing(with_opa: Api) -> None:
    assert (await with_opa.get("/v1/policies", by="nobody")).status_code == 403
