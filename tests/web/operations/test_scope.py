from __future__ import annotations

import pytest

from api.web.forms import FieldRefused
from api.web.operations.scope import scope_fields, scope_of, scope_words
from contracts.safety import HaltScope

TARGET = "gke.node_pool/acme-prod/*"


@pytest.mark.parametrize(
    ("fields", "scope"),
    [
        ({"covers": "everything"}, HaltScope(everything=True)),
        ({"covers": "everything", "environment": "production"}, HaltScope(everything=True)),
        (
            {"covers": "some", "environment": "production", "target": ""},
            HaltScope(environment="production"),
        ),
        (
            {"covers": "some", "target": f"  {TARGET} ", "action_kind": "gke.node_pool.resize"},
            HaltScope(target=TARGET, action_kind="gke.node_pool.resize"),
        ),
        ({"covers": "some", "agent": " capacity-agent "}, HaltScope(agent="capacity-agent")),
    ],
)
def test_a_form_says_what_to_stop(fields: dict[str, str], scope: HaltScope) -> None:
    assert scope_of(fields) == scope
    assert scope_of(scope_fields(scope)) == scope


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "covers"),
        ({"environment": "production"}, "covers"),
        ({"covers": "all of it"}, "covers"),
        ({"covers": "some"}, "environment"),
        ({"covers": "some", "environment": "  "}, "environment"),
        ({"covers": "some", "target": "*"}, "target"),
        ({"covers": "some", "agent": "*"}, "agent"),
        ({"covers": "some", "environment": "production", "agent": "sluice/*"}, "agent"),
    ],
)
def test_what_names_nothing_stops_nothing(fields: dict[str, str], field: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        scope_of(fields)
    assert refused.value.field == field


def test_a_scope_is_told_in_words() -> None:
    scope = HaltScope(target=TARGET, action_kind="gke.node_pool.resize")
    assert scope_words(scope) == [("target", TARGET), ("kind", "Resize a node pool")]
    assert scope_words(HaltScope(everything=True)) == []
