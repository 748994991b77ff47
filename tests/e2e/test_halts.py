"""Halts against proposals that are about to execute, in small; `make proof-halts` runs rounds of 100."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from proofs.halts import Round, figures, halting_stack, run_round
from tests.e2e.practice_ground import STAGING
from tests.e2e.stack import Programs

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

PROPOSALS = 8


async def test_no_covered_call_comes_under_an_effective_halt_and_what_it_held_runs_afterwards(
    programs: Programs, stack_directory: Callable[[str], Path]
) -> None:
    async with halting_stack(stack_directory("halts"), programs, PROPOSALS) as stack:
        for size, first in ((2, 1), (3, PROPOSALS // 2)):
            met = await run_round(stack, stack.ground.places(STAGING), size, first)
            assert met.faults() == []
            assert met.calls_before >= first
            assert met.calls_before + met.calls_after == PROPOSALS
            assert met.held >= 1


SOUND = Round(
    proposals=8, calls_before=5, calls_under_halt=0, calls_after=3, on_their_way=2, held=3, seconds_to_last=1.0,
    states=Counter(succeeded=8), changes_per_target=frozenset({1}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"calls_under_halt": 1}, "1 calls after the halt was effective"),
        ({"states": Counter(succeeded=7, dirty=1)}, "ended as {'succeeded': 7, 'dirty': 1}"),
        ({"states": Counter()}, "ended as {}"),
        ({"changes_per_target": frozenset({1, 2})}, "targets were changed [1, 2] times"),
        ({"changes_per_target": frozenset({0})}, "targets were changed [0] times"),
    ],
    ids=["call", "end", "nothing", "twice", "never"],
)
async def test_what_may_not_be_under_a_halt_or_after_it_is_a_fault(
    wrong: dict[str, object], fault: str
) -> None:
    assert SOUND.faults() == []
    assert replace(SOUND, **wrong).faults() == [fault]  # type: ignore[arg-type]  # as the cases say


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("calls_before", "proposals changed before each halt"),
        ("on_their_way", "on their way when each halt came"),
        ("held", "proposals held by each halt"),
    ],
)
async def test_a_halt_that_met_nothing_before_it_on_its_way_or_after_it_shows_too_little(
    missing: str, name: str
) -> None:
    assert all(one.holds for one in figures([SOUND, SOUND], 2, 8))
    met = [SOUND, replace(SOUND, **{missing: 0})]  # type: ignore[arg-type]  # each is a number
    assert [one.name for one in figures(met, 2, 8) if not one.holds] == [name]
