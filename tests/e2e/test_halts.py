"""Halts against proposals that are about to execute, in small; `make proof-halts` runs 50 rounds of 100."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from proofs.halts import halting_stack, run_round
from tests.e2e.practice_ground import STAGING
from tests.e2e.stack import Programs

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

PROPOSALS = 8


async def test_no_covered_call_comes_under_an_effective_halt_and_what_it_held_runs_afterwards(
    programs: Programs, stack_directory: Callable[[str], Path]
) -> None:
    async with halting_stack(stack_directory("halts"), programs, PROPOSALS) as stack:
        for size, first in ((2, 0), (3, PROPOSALS // 2)):
            met = await run_round(stack, stack.ground.places(STAGING), size, first)
            assert met.faults() == []
            assert met.calls_before >= first
            assert met.calls_before + met.calls_after == PROPOSALS
            assert met.held >= 1
