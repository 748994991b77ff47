from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.action import NodePoolTarget
from contracts.configuration import Configuration
from tests.contracts.samples import NOON


def target(cluster: str = "serving", node_pool: str = "*", **changes: Any) -> dict[str, Any]:
    named = {"kind": "gke.node_pool", "project": "acme-prod", "location": "europe-west4"}
    placed = {"cluster": cluster, "node_pool": node_pool, "environment": "production", "team": "inference"}
    return named | placed | {"max_nodes_per_zone": 5} | changes


def declared(*targets: dict[str, Any], **changes: Any) -> Configuration:
    return Configuration.model_validate({"environments": {"production": {}}, "targets": targets} | changes)


def pool(node_pool: str) -> NodePoolTarget:
    return NodePoolTarget(
        project="acme-prod", location="europe-west4", cluster="serving", node_pool=node_pool
    )


def test_each_cluster_that_is_named_whole_is_listed_once_in_the_order_of_the_file() -> None:
    made = declared(target("training"), target("serving", "gpu"), target("serving"), target("batch-*"))
    place = ("acme-prod", "europe-west4")
    assert made.clusters == ((*place, "training"), (*place, "serving"))


def test_an_entry_names_one_pool_where_it_holds_no_wildcard() -> None:
    entries = (target("serving", "gpu"), target("serving", "gpu-?"), target("serv*", "cpu"))
    assert [one.named_pool for one in declared(*entries).targets] == [pool("gpu"), None, None]


def test_a_name_that_no_pool_can_have_names_none() -> None:
    (entry,) = declared(target("serving", "-gpu")).targets
    assert not entry.is_wide
    assert entry.named_pool is None


def test_a_change_counts_against_the_budgets_of_its_place_and_of_its_agent() -> None:
    scopes: tuple[dict[str, str], ...] = (
        {},
        {"environment": "production"},
        {"team": "inference"},
        {"agent": "capacity-agent"},
    )
    budgets = [{"scope": scope, "window": "month", "limit": "100"} for scope in scopes]
    made = declared(target(), budgets=budgets)
    (entry,) = made.targets
    keys = ["tenant", "environment=production", "team=inference", "agent=capacity-agent"]
    assert [one.key for one in made.covering(entry, "sluice/capacity-agent")] == keys
    assert [one.key for one in made.covering(entry, None)] == keys[:3]
    assert made.covering(None, "sluice/capacity-agent") == ()


def test_a_new_draft_takes_its_place_and_its_times_from_the_configuration() -> None:
    made = declared(target(), approval={"decide_within": "2h", "execute_within": "30m"})
    times = {"created_at": NOON, "decide_by": NOON + timedelta(hours=2)}
    times["execute_by"] = NOON + timedelta(hours=2, minutes=30)
    assert made.fresh(pool("gpu"), NOON) == {"environment": "production", "team": "inference"} | times
    unknown = pool("gpu").model_copy(update={"cluster": "other"})
    assert made.fresh(unknown, NOON) == {"environment": "", "team": ""} | times
