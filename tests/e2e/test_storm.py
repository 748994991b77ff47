"""A small storm of alerts over a whole stack of its own; `make proof-storm` sends the large one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from proofs.storm import Storm, StormGround, blow
from tests.e2e.stack import Programs, running_stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

SMALL = Storm(alerts=48, targets=4, tokens=3, seconds=1)


async def test_a_storm_of_alerts_changes_each_target_once_at_a_time_and_within_the_budget(
    programs: Programs, stack_directory: Callable[[str], Path]
) -> None:
    async with running_stack(stack_directory("storm"), programs, StormGround(SMALL)) as stack:
        outcome = await blow(stack, SMALL)
    assert outcome.faults(SMALL) == []
    assert outcome.changes == SMALL.tokens
    assert outcome.proposals["denied: rate_limited"] > 0
