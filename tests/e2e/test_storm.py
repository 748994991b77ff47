"""A small storm of alerts over a whole stack of its own, and what is a fault; `make proof-storm` sends a large one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from proofs.storm import FULL, Outcome, Storm, StormGround, blow, figures, size_at
from tests.e2e.stack import Programs, running_stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

SMALL = Storm(alerts=48, targets=4, tokens=3, seconds=1, again=1)


async def test_a_storm_of_alerts_changes_each_target_once_at_a_time_and_within_the_budget(
    programs: Programs, stack_directory: Callable[[str], Path]
) -> None:
    async with running_stack(stack_directory("storm"), programs, StormGround(SMALL)) as stack:
        outcome = await blow(stack, SMALL)
    assert outcome.faults(SMALL) == []
    assert outcome.changes > 0
    assert outcome.proposals["denied: rate_limited"] > 0


SOUND = Outcome(
    sent_within=1, changes=2, already_there=1, changed_again=1, refused_calls=0, last_set={"web": 3},
    sizes={"web": {3}}, changed_while_resting=0, tokens_taken=3,
    requests=Counter({"proposed": 40, "refused: coalesced": 8}),
    proposals=Counter({"succeeded": 3, "denied: rate_limited": 9}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"refused_calls": 1}, "while another change of the cluster was under way"),
        ({"changes": 3}, "3 changes, 1 without a call, and 3 tokens taken, of 3"),
        ({"already_there": 0}, "2 changes, 0 without a call, and 3 tokens taken, of 3"),
        ({"tokens_taken": 4}, "2 changes, 1 without a call, and 4 tokens taken, of 3"),
        (
            {"changes": 0, "already_there": 0, "tokens_taken": 0, "last_set": {}},
            "0 changes, 0 without a call",
        ),
        ({"requests": Counter({"proposed": 47})}, "47 outcomes of 48 alerts"),
        ({"proposals": Counter({"denied: without a reason": 1})}, "refused without a reason"),
        ({"changed_while_resting": 1}, "1 changes after everything was at rest"),
        ({"sizes": {"web": {3, 4}}}, "1 targets are not as their last change set them"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_what_a_storm_may_not_leave_behind_is_a_fault(wrong: dict[str, object], fault: str) -> None:
    assert SOUND.faults(SMALL) == []
    (found,) = replace(SOUND, **wrong).faults(SMALL)  # type: ignore[arg-type]  # as the cases say
    assert fault in found


async def test_alerts_that_came_slowly_were_no_storm() -> None:
    assert all(one.holds for one in figures(SOUND, SMALL))
    slow = figures(replace(SOUND, sent_within=2), SMALL)
    assert [one.name for one in slow if not one.holds] == ["alerts sent within"]


async def test_targets_that_were_changed_once_tell_nothing_of_two_changes_at_a_time() -> None:
    once = figures(replace(SOUND, changed_again=0), SMALL)
    assert [one.name for one in once if not one.holds] == ["targets changed more than once"]


async def test_the_large_storm_asks_for_more_changes_than_there_are_and_may_make_most_of_them_twice() -> None:
    sizes = {size_at(turn) for turn in range(FULL.alerts // FULL.targets)}
    assert len(sizes) * FULL.targets > FULL.tokens > 2 * FULL.targets
    assert FULL.targets / 2 < FULL.again < FULL.targets
