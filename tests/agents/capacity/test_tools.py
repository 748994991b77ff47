from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from activities.request.drafts import draft_of
from adapters.store import proposals
from adapters.store.ledger import Amount
from agents.capacity.tools.catalogue import TOOLS
from agents.capacity.tools.tool import MAX_RESULT, Evidence, answer
from contracts.base import utc_now
from contracts.ports import ToolCall
from contracts.proposal import Planner, PlannerKind
from contracts.request import ProposedAction
from tests.contracts.samples import resize
from tests.gke_fixtures import RunningEmulator
from tests.request_stack import CONFIGURATION, request_of
from tests.steps import reserve

POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving", "node_pool": "inference"}
ABOUT_A_POOL = sorted(TOOLS.keys() - {"list_targets"})
WRONG: list[tuple[Any, str]] = [
    (POOL | {"cluster": "somebody-elses"}, "target_not_registered"),
    (POOL | {"cluster": "../../x"}, "invalid_arguments"),
    (POOL | {"extra": 1}, "invalid_arguments"),
    ({}, "invalid_arguments"),
    ("{", "invalid_arguments"),
    ("[" * 3_000, "invalid_arguments"),
    ("x" * 5_000, "invalid_arguments"),
]
READING = {"GetCluster", "GetNodePool", "ListNodePools", "ListOperations", "instanceGroupManagers.get"}


async def use(evidence: Evidence, name: str, arguments: Any) -> tuple[dict[str, Any], str | None]:
    given = arguments if isinstance(arguments, str) else json.dumps(arguments)
    answered = await answer(TOOLS.get(name), ToolCall(id="1", name=name, arguments=given), evidence)
    return json.loads(answered.content), answered.error


async def propose(evidence: Evidence, node_count: int) -> str:
    """Store a proposal on the pool, as `close_request` does."""
    request = request_of("more")
    made = draft_of(
        request.model_copy(update={"id": "req_1"}),
        0,
        ProposedAction(action=resize(node_count), rationale="SECRET WORDS", confidence=1),
        Planner(kind=PlannerKind.RULES),
        configuration=CONFIGURATION,
        mode="practice",
        now=utc_now(),
    ).model_copy(update={"request_id": None})
    async with evidence.database.transaction() as connection:
        await proposals.create(connection, made)
    return made.id


async def test_the_registered_pools_are_listed_with_their_owner(evidence: Evidence) -> None:
    found, error = await use(evidence, "list_targets", {})
    assert error is None
    names = {(one["project"], one["node_pool"]) for one in found["node_pools"]}
    assert {("acme-prod", "inference"), ("acme-dev", "scarce")} <= names
    assert found["node_pools"][0]["team"] == "inference"


async def test_sizes_come_from_what_runs(evidence: Evidence) -> None:
    found, _ = await use(evidence, "read_node_pool", POOL | {"node_pool": "uneven"})
    assert [zone["running"] for zone in found["zones"]] == [3, 2, 1]
    assert found["nodes_per_zone"] is None


async def test_an_autoscaled_pool_shows_its_bounds(evidence: Evidence) -> None:
    found, _ = await use(evidence, "read_node_pool", POOL | {"node_pool": "batch-autoscaled"})
    assert found["autoscaling"]["max_node_count"] == 5


async def test_running_operations_are_listed(evidence: Evidence, local_fleet: RunningEmulator) -> None:
    found, error = await use(evidence, "list_operations", POOL)
    assert (found, error) == ({"operations": []}, None)


async def test_recent_changes_are_listed_without_anybodys_words(evidence: Evidence) -> None:
    await propose(evidence, 5)
    found, _ = await use(evidence, "recent_changes", POOL)
    [change] = found["changes"]
    assert change["action"] == {"kind": "gke.node_pool.resize", "node_count": 5}
    assert change["state"] == "evaluating"
    assert "SECRET" not in json.dumps(found)


async def test_what_is_left_of_a_budget_counts_what_is_reserved(evidence: Evidence) -> None:
    before, _ = await use(evidence, "budget_left", POOL)
    [line] = before["budgets"]
    proposal_id = await propose(evidence, 5)
    async with evidence.database.transaction() as connection:
        held = Amount(line["scope"], line["window"], "USD", Decimal(1_500))
        await reserve(connection, CONFIGURATION.tenant, proposal_id, [held])
    [after] = (await use(evidence, "budget_left", POOL))[0]["budgets"]
    assert Decimal(line["left"]) == Decimal(40_000)
    assert Decimal(after["left"]) == Decimal(38_500)


async def test_the_price_of_a_node_is_told(evidence: Evidence) -> None:
    found, _ = await use(evidence, "node_price", POOL)
    assert Decimal(found["per_node_hour"]) > 0
    assert (found["currency"], found["zones"]) == ("USD", 3)


@pytest.mark.parametrize("name", ABOUT_A_POOL)
async def test_a_wrong_call_is_told_to_the_model_as_data(evidence: Evidence, name: str) -> None:
    for arguments, error in WRONG:
        found, told = await use(evidence, name, arguments)
        assert (found["error"], told) == (error, error)


async def test_a_pool_that_does_not_exist_is_told_as_data(evidence: Evidence) -> None:
    assert (await use(evidence, "read_node_pool", POOL | {"node_pool": "gone"}))[1] == "target_not_found"


async def test_an_unknown_tool_is_told_as_data(evidence: Evidence) -> None:
    assert (await use(evidence, "delete_node_pool", POOL))[1] == "unknown_tool"


@pytest.mark.parametrize("name", sorted(TOOLS))
async def test_no_tool_changes_anything_or_answers_much(
    evidence: Evidence, local_fleet: RunningEmulator, name: str
) -> None:
    found, _ = await use(evidence, name, {} if name == "list_targets" else POOL)
    served = {call.method for call in local_fleet.calls() if call.surface != "admin"}
    assert served <= READING
    assert len(json.dumps(found)) < MAX_RESULT


def test_every_tool_says_what_it_takes() -> None:
    for tool in TOOLS.values():
        schema = tool.wire_schema()["function"]
        assert schema["parameters"]["additionalProperties"] is False
        assert schema["description"].endswith(".")
