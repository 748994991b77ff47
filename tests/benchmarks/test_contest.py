"""Contenders take turns: what one leaves the servers to do weighs on whoever is next, never twice on the same one."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from benchmarks.floor.contest import FULL, OPENINGS, turns

NAMES = list(OPENINGS)


def followed(rounds: int) -> Counter[tuple[str, str]]:
    """Count who came right after whom, from one round to the next, too."""
    return Counter(itertools.pairwise(itertools.chain.from_iterable(turns(NAMES, rounds))))


def test_nobody_follows_the_same_contender_twice() -> None:
    assert set(followed(FULL.rounds).values()) == {1}


def test_sluice_and_naive_follow_each_other_as_often() -> None:
    found = followed(FULL.rounds)
    assert found["sluice", "naive"] == found["naive", "sluice"] == 1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_each_has_one_turn_in_each_round(count: int) -> None:
    orders = turns(NAMES[:count], 5)
    assert len(orders) == 5
    assert all(sorted(one) == sorted(NAMES[:count]) for one in orders)
