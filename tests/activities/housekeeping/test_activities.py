"""One round: every sweep once, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.testing import ActivityEnvironment

from activities.housekeeping.activities import HousekeepingActivities
from contracts.errors import StoreUnavailable
from contracts.messages import Swept


async def three() -> int:
    return 3


async def none() -> int:
    return 0


async def unavailable() -> int:
    raise StoreUnavailable("down")


async def defective() -> int:
    raise KeyError("a defect")


async def hangs() -> int:
    await asyncio.sleep(3_600)
    return 1


async def swept(housekeeping: HousekeepingActivities) -> Swept:
    found: Swept = await ActivityEnvironment().run(housekeeping.sweep)
    return found


async def test_every_sweep_runs_once_and_says_what_it_did() -> None:
    found = await swept(HousekeepingActivities({"first": three, "second": none}))
    assert found == Swept(done={"first": 3, "second": 0})


async def test_a_sweep_that_fails_or_hangs_keeps_no_other_from_its_turn() -> None:
    sweeps = {"away": unavailable, "broken": defective, "slow": hangs, "last": three}
    found = await swept(HousekeepingActivities(sweeps, within=timedelta(seconds=1)))
    assert found == Swept(done={"last": 3}, failed=("away", "broken", "slow"))


async def test_a_round_with_nothing_to_sweep_is_empty() -> None:
    assert await swept(HousekeepingActivities({})) == Swept(done={})
