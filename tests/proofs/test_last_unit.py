"""The race for the last unit of a budget, in a few rounds; `make proof-budget` runs 500."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.store.ledger import windows
from proofs.last_unit import race


async def test_64_racers_for_the_last_unit_have_one_winner_in_every_round(migrated_database_url: str) -> None:
    result = await race(migrated_database_url, rounds=30, racers=64)
    assert result.holds, result
    assert (result.winners, result.rounds_with_one_winner, result.faults) == (30, 30, ())


async def test_the_judge_finds_a_round_with_two_winners_a_bad_read_and_a_wrong_sum(
    migrated_database_url: str,
) -> None:
    result = await race(migrated_database_url, rounds=1, racers=4)
    assert result.holds
    for wrong in (
        {"winners": 2},
        {"rounds_with_one_winner": 0},
        {"broken_reads": 1},
        {"reads": 0},
        {"faults": ("a window",)},
    ):
        assert not replace(result, **wrong).holds


async def test_racers_who_read_the_sums_and_lock_nothing_are_found(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = windows.TABLES.replace("FOR UPDATE", "")
    monkeypatch.setattr(windows, "_LOCK", windows._statement(unlocked))
    result = await race(migrated_database_url, rounds=2)
    # Whoever makes the windows keeps the others of the first round out.
    assert (result.rounds, result.rounds_with_one_winner) == (2, 1)
    assert result.winners > 2
    assert not result.holds
