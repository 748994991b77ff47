"""A halt covers what it names, and covering everything has to be said aloud."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from contracts.safety import HaltScope

EFFECT = {
    "tenant": "default",
    "environment": "production",
    "target_key": "gke.node_pool/acme-prod/europe-west4/serving/inference",
    "action_kind": "gke.node_pool.resize",
}


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ({"everything": True}, True),
        ({"tenant": "default"}, True),
        ({"tenant": "other"}, False),
        ({"environment": "production"}, True),
        ({"environment": "development"}, False),
        ({"target": EFFECT["target_key"]}, True),
        ({"target": "gke.node_pool/acme-prod/*"}, True),
        ({"target": "gke.node_pool/acme-prod"}, False),
        ({"target": "gke.node_pool/acme-dev/*"}, False),
        ({"action_kind": "gke.node_pool.resize"}, True),
        ({"environment": "production", "action_kind": "gke.node_pool.autoscaling"}, False),
    ],
    ids=str,
)
def test_a_halt_covers_what_it_names(scope: dict[str, object], covered: bool) -> None:
    assert HaltScope.model_validate(scope).covers(**EFFECT) is covered


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"everything": True, "tenant": "default"},
        {"cluster": "serving"},
        {"target": ""},
        {"tenant": "", "environment": "production"},
    ],
    ids=str,
)
def test_an_empty_or_contradictory_scope_is_refused(scope: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HaltScope.model_validate(scope)
