"""What a contender survives: a change takes until it is over, whatever the fault still waits for afterwards."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.floor import survival
from benchmarks.floor.sluice import AS_SHIPPED
from emulators.gke.log import Calls
from settings import GkeSettings, Settings
from tests.e2e.practice_ground import PRODUCTION, Place


@dataclass
class Clock:
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Change:
    """A contender whose one change is over when a test says so, and a provider that was never called."""

    name: str = "sluice"
    emulator: Any = field(default_factory=lambda: SimpleNamespace(calls=Calls))
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def propose(self, place: Place, node_count: int) -> str:
        return "change"

    async def judged(self, change_id: str) -> None: ...

    async def ended(self, change_id: str) -> float:
        await self.is_over.wait()
        return 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(survival, "time", clock)
    return clock


async def undergo(change: Change, fault: Any) -> survival.Outcome:
    return await survival.undergo(change, Place(PRODUCTION, "prod-00"), fault)  # type: ignore[arg-type]


async def test_what_a_fault_still_waits_for_after_the_end_is_not_counted(clock: Clock) -> None:
    change = Change()

    async def fault(_: survival.Ordeal) -> None:
        clock.now = 5.0
        change.is_over.set()
        for _turn in range(5):
            await asyncio.sleep(0)
        clock.now = 30.0

    assert await undergo(change, fault) == survival.Outcome(0, is_over=True, seconds=5.0)


async def test_a_change_that_never_ends_is_given_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survival, "OVER_WITHIN", 0.01)

    async def fault(_: survival.Ordeal) -> None:
        clock.now = 60.0

    assert await undergo(Change(), fault) == survival.Outcome(0, is_over=False, seconds=60.0)


def test_every_fault_is_met_once() -> None:
    assert sorted(itertools.chain.from_iterable(survival.PARTS)) == sorted(survival.FAULTS)


def test_sluice_survives_with_the_times_that_it_is_shipped_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AS_SHIPPED.items():
        monkeypatch.setenv(name, value)
    assert Settings().gke == GkeSettings()
    assert len(AS_SHIPPED) == 3
