"""Halts against proposals that are about to execute, in small; `make proof-halts` runs 50 rounds of 100."""

from __future__ import annotations

import random

import pytest

from proofs.halts import run_round
from tests.e2e.practice_ground import STAGING
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]


async def test_no_covered_call_comes_under_an_effective_halt_and_what_it_held_runs_afterwards(
    stack: Stack,
) -> None:
    places = [stack.place(STAGING) for _ in range(10)]
    chance = random.Random(7)
    rounds = [await run_round(stack, places, size, chance) for size in (2, 3)]
    assert [one.faults() for one in rounds] == [[], []]
    assert sum(one.calls_before + one.calls_after for one in rounds) == 20
    assert sum(one.held for one in rounds) > 0
