"""A halt covers what it names, and covering everything has to be said aloud."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.principal import Principal, PrincipalKind
from contracts.safety import HaltScope

EFFECT: dict[str, Any] = {
    "tenant": "default",
    "environment": "production",
    "target_key": "gke.node_pool/acme-prod/europe-west4/serving/inference",
    "action_kind": "gke.node_pool.resize",
    "authors": (
        Principal(kind=PrincipalKind.HUMAN, subject="olga"),
        Principal(kind=PrincipalKind.AGENT, subject="planner", issuer="sluice"),
    ),
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
        ({"agent": "planner"}, True),
        ({"agent": "sluice/planner"}, True),
        ({"agent": "local/planner"}, False),
        ({"agent": "plan"}, False),
        ({"agent": "olga"}, False),
        ({"agent": "planner", "environment": "development"}, False),
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
        {"agent": ""},
        {"everything": True, "agent": "planner"},
        {"tenant": "", "environment": "production"},
    ],
    ids=str,
)
def test_an_empty_or_contradictory_scope_is_refused(scope: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HaltScope.model_validate(scope)
