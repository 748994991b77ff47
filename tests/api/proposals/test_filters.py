from __future__ import annotations

import pytest

from contracts.proposal import ProposalState as S
from tests.api.serving import RESIZE, Api


async def found(api: Api, **filters: str) -> list[str]:
    answer = await api.get("/v1/proposals", **filters)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_the_list_is_narrowed_by_what_is_given(api: Api) -> None:
    waiting = (await api.waiting())["id"]
    foreign = await api.propose(action=RESIZE | {"cluster": "elsewhere"})
    await api.move(foreign, S.DENIED)
    assert await found(api, environment="production") == [waiting]
    assert await found(api, team="inference", requester="local/ana") == [waiting]
    assert await found(api, outcome="require_approval") == [waiting]
    assert await found(api, outcome="deny") == []
    assert await found(api, q="ELSEWHERE 4") == [foreign]
    assert await found(api, state="denied", q="resize") == [foreign]
    assert await found(api, action_kind="gke.node_pool.autoscaling") == []
    assert set(await found(api, risk="high")) == {waiting, foreign}
    assert await found(api, risk="low") == []


async def test_a_filter_left_empty_is_not_given(api: Api) -> None:
    waiting = (await api.waiting())["id"]
    assert await found(api, environment="", risk=" ", outcome="", q="  ") == [waiting]


@pytest.mark.parametrize(
    "filters", [{"risk": "lowest"}, {"outcome": "maybe"}, {"q": "x" * 201}, {"team": "x" * 401}]
)
async def test_a_filter_outside_its_values_is_refused(api: Api, filters: dict[str, str]) -> None:
    answer = await api.get("/v1/proposals", **filters)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "invalid_request")


async def test_each_line_tells_its_risk(api: Api) -> None:
    await api.waiting()
    (item,) = (await api.get("/v1/proposals")).json()["items"]
    assert item["risk"] == "high"
