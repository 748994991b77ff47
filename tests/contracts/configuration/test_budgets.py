from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.configuration import Budget, BudgetScope

CAPACITY = "sluice/capacity-agent"


def budget(**changes: Any) -> Budget:
    return Budget.model_validate({"scope": {}, "window": "month", "limit": "100"} | changes)


@pytest.mark.parametrize(
    ("scope", "agent", "covered"),
    [
        ({}, None, True),
        ({}, CAPACITY, True),
        ({"agent": CAPACITY}, CAPACITY, True),
        ({"agent": "capacity-agent"}, CAPACITY, True),
        ({"agent": "agent"}, CAPACITY, False),
        ({"agent": "capacity-agent"}, None, False),
        ({"agent": "capacity-agent"}, "sluice/other", False),
        ({"agent": "capacity-agent", "environment": "production"}, CAPACITY, True),
        ({"agent": "capacity-agent", "environment": "staging"}, CAPACITY, False),
        ({"agent": "capacity-agent", "team": "research"}, CAPACITY, False),
    ],
)
def test_every_given_part_of_a_scope_must_match(
    scope: dict[str, str], agent: str | None, covered: bool
) -> None:
    found = budget(scope=scope)
    assert found.covers_change(environment="production", team="inference", agent=agent) is covered
    assert not found.covers_model(agent=agent)


def test_a_model_budget_covers_calls_and_no_change() -> None:
    whole, mine = budget(kind="model"), budget(kind="model", scope={"agent": CAPACITY})
    assert (whole.key, mine.key) == ("model:tenant", f"model:agent={CAPACITY}")
    assert not whole.covers_change(environment="production", team="inference", agent=CAPACITY)
    assert whole.covers_model(agent=None)
    assert mine.covers_model(agent=CAPACITY)
    assert not mine.covers_model(agent=None)


def test_the_keys_of_budgets_from_before_stay_what_they_were() -> None:
    assert BudgetScope().key == budget().key == "tenant"
    assert budget(scope={"team": "t", "environment": "e"}).key == "environment=e,team=t"


@pytest.mark.parametrize(
    "wrong",
    [
        {"soft_limit": "100.01"},
        {"alerts": [80, 50]},
        {"alerts": [50, 50]},
        {"alerts": [0]},
        {"scope": {"agent": ""}},
        {"scope": {"agent": "a,b"}},
        {"scope": {"environment": ""}},
        {"scope": None},
        {"limit": ""},
        {"limit": "-1"},
        {"limit": "NaN"},
        {"kind": "model", "scope": {"team": "research"}},
        {"kind": ""},
    ],
)
def test_what_is_half_written_or_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        budget(**wrong)
