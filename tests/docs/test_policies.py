from __future__ import annotations

import re

import pytest

from adapters.opa.limits import PolicyLimits
from adapters.opa.sources import POLICIES, policy_names
from tests.docs.pages import REFERENCE, rows

ROWS = {row[0].strip("`"): row for row in rows("policies.md") if row[0].startswith("`") and len(row) == 5}


def test_the_page_has_every_policy_once_in_order() -> None:
    assert tuple(ROWS) == policy_names()


@pytest.mark.parametrize("policy", policy_names())
def test_the_page_tells_the_level_of_the_rule(policy: str) -> None:
    text = (POLICIES / policy / "policy.rego").read_text()
    told = re.search(r"^#   level: (\w+)", text, re.MULTILINE)
    assert told is not None
    assert ROWS[policy][1] == told[1]


@pytest.mark.parametrize("policy", sorted(PolicyLimits.model_fields))
def test_the_page_tells_every_limit(policy: str) -> None:
    limits = PolicyLimits.model_fields[policy].annotation
    (model,) = [kind for kind in getattr(limits, "__args__", ()) if kind is not type(None)]
    keys = [field.alias or name for name, field in model.model_fields.items()]
    told = re.search(rf"`{policy}: {{(.*?)}}`", ROWS[policy][3])
    assert told is not None
    assert told[1].split(", ") == keys


def test_every_name_of_the_input_is_on_the_page() -> None:
    import json

    page = (REFERENCE / "policies.md").read_text()
    sample = json.loads((POLICIES / "region" / "samples" / "denied.json").read_text())
    names = [
        *sample,
        *sample["proposal"],
        *sample["change"],
        *sample["cost"],
        *sample["observation"]["boot_disk"],
    ]
    assert [name for name in names if not re.search(rf"\b{name}\b", page)] == []
