"""The catalogue is closed: unknown kinds, fields and values that a model might invent are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.action import ACTION, ACTION_KINDS
from tests.contracts.samples import resize

RESIZE = resize().model_dump(mode="json")
BOUNDS = {name: RESIZE[name] for name in ("project", "location", "cluster", "node_pool")} | {
    "kind": "gke.node_pool.autoscaling",
    "min_node_count": 1,
    "max_node_count": 3,
}


@pytest.mark.parametrize("document", [RESIZE, BOUNDS], ids=lambda document: str(document["kind"]))
def test_an_action_of_the_catalogue_survives_the_round_trip(document: dict[str, Any]) -> None:
    assert ACTION.validate_python(document).model_dump(mode="json") == document
    assert document["kind"] in ACTION_KINDS


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "gke.node_pool.delete"},
        {"node_count": -1},
        {"node_count": 10**9},
        {"node_count": "6; drop"},
        {"node_count": "6"},
        {"node_count": 2.5},
        {"node_count": True},
        {"node_count": None},
        {"cluster": ""},
        {"cluster": "serving/../other"},
        {"project": "acme-prod/locations/x"},
        {"location": "europe"},
        {"node_pool": "inference\n"},
        {"surplus": 1},
    ],
    ids=str,
)
def test_what_is_not_in_the_catalogue_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ACTION.validate_python(RESIZE | change)


def test_a_missing_field_is_refused() -> None:
    for name in RESIZE:
        with pytest.raises(ValidationError):
            ACTION.validate_python({key: value for key, value in RESIZE.items() if key != name})


def test_crossed_bounds_are_refused() -> None:
    with pytest.raises(ValidationError, match="min_node_count is above"):
        ACTION.validate_python(BOUNDS | {"min_node_count": 4})


def test_actions_on_one_cluster_share_a_serialisation_domain() -> None:
    one, other = ACTION.validate_python(RESIZE), ACTION.validate_python(RESIZE | {"node_pool": "web"})
    assert one.target.key != other.target.key
    assert one.target.serialisation_domain == other.target.serialisation_domain
