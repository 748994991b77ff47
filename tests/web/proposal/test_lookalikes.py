from __future__ import annotations

import pytest

from api.web.proposal.lookalikes import lookalikes, skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [("pool-1", "pool-l"), ("pool-l", "pool-i"), ("prod0", "prodo"), ("modern", "modem"), ("vvest", "west")],
)
def test_names_that_read_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("pool-1", "pool-2"), ("serving", "service"), ("eu", "us")])
def test_names_that_read_differently_have_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_a_target_is_not_its_own_lookalike() -> None:
    assert lookalikes("a/pool-1", ["a/pool-1", "a/pool-l", "a/pool-2", "a/pool-l"]) == ["a/pool-l"]
