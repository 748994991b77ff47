"""What travels from an agent's process, which reads untrusted text: its steps count money and tokens."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.request import AgentStep


@pytest.mark.parametrize("cost", ["0", "0.0125", "12"])
def test_a_step_costs_a_plain_amount(cost: str) -> None:
    assert AgentStep(kind="model", name="stub-1", cost_usd=cost).cost_usd == cost


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost_usd": "NaN"},
        {"cost_usd": "-5"},
        {"cost_usd": "Infinity"},
        {"cost_usd": "1E+9"},
        {"cost_usd": "\u0663"},
        {"cost_usd": "0.1\n"},
        {"input_tokens": -1},
        {"output_tokens": -1},
    ],
    ids=str,
)
def test_a_step_that_would_give_money_back_or_is_no_amount_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AgentStep.model_validate({"kind": "model", "name": "stub-1"} | wrong)
