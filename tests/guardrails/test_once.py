from __future__ import annotations

import pytest

from guardrails.budget.cost import estimate
from guardrails.once import once
from tests.guardrails.samples import facts


def test_an_answer_is_given_again_for_the_same_objects_and_worked_out_anew_for_equal_ones() -> None:
    asked: list[list[int]] = []

    @once
    def total(numbers: list[int]) -> int:
        asked.append(numbers)
        return sum(numbers)

    first, equal = [1, 2], [1, 2]
    assert [total(first), total(first), total(equal), total(first)] == [3, 3, 3, 3]
    assert [one is first for one in asked] == [True, False, True]


def test_an_error_is_not_an_answer() -> None:
    ready = [False]

    @once
    def answer(flag: list[bool]) -> str:
        if not flag[0]:
            raise ValueError("not yet")
        return "now"

    with pytest.raises(ValueError, match="not yet"):
        answer(ready)
    ready[0] = True
    assert answer(ready) == "now"


def test_each_pass_has_an_estimate_of_its_own() -> None:
    judged, without_price = facts(), facts(price=None)
    assert estimate(judged) is estimate(judged)
    assert estimate(without_price) is None
    assert estimate(judged) is not None
