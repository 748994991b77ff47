"""What a contender says it did is held against the provider's log, and against the processes that did it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.floor.contenders import Graph
from benchmarks.floor.load import Measured, drive
from benchmarks.floor.news import News
from contracts.base import utc_now
from emulators.gke.log import Calls, ServedCall
from tests.e2e.practice_ground import PRODUCTION, Place

HERE, ELSEWHERE = Place(PRODUCTION, "prod-00"), Place(PRODUCTION, "prod-01")


def worker() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


@dataclass
class Provider:
    """Logs what it is asked for."""

    pid: int
    served: Calls = field(default_factory=Calls)

    def calls(self) -> Calls:
        return Calls(self.served)

    def change(self, place: Place, size: int = 1) -> None:
        environment = place.environment
        where = {"project": environment.project, "location": environment.location, "cluster": place.name}
        self.served.append(
            ServedCall(
                seq=1, ts=utc_now(), surface="container", method="SetNodePoolSize", accepted=True,
                node_pool="web", request={"node_count": size}, **where,
            )
        )  # fmt: skip


@dataclass
class Contender:
    """Changes the pool as often as it is told to, and its worker may be replaced."""

    process: subprocess.Popen[bytes]
    emulator: Provider
    effects: list[Place] = field(default_factory=lambda: [HERE])
    crashes: bool = False
    name: str = "fake"
    sizes: list[int] = field(default_factory=list)

    @property
    def roles(self) -> Mapping[str, Sequence[int]]:
        return {"worker": [self.process.pid]}

    async def propose(self, place: Place, node_count: int) -> str:
        self.sizes.append(node_count)
        return "change"

    async def judged(self, change_id: str) -> None: ...

    async def approve(self, change_id: str) -> None:
        for place in self.effects:
            self.emulator.change(place, self.sizes[-1])

    async def ended(self, change_id: str) -> float:
        if self.crashes:
            self.process.kill()
            self.process.communicate()
            self.process = await asyncio.to_thread(worker)
        return 0.0


@pytest.fixture
async def contender() -> AsyncIterator[Contender]:
    process = worker()
    found = Contender(process, Provider(process.pid))
    yield found
    found.process.kill()
    found.process.communicate()


async def driven(contender: Any) -> Measured:
    return await drive(contender, [HERE], warm_up=1, alone=1, seconds=0.0)


async def test_each_change_has_the_effect_between_its_approval_and_its_end(contender: Contender) -> None:
    contender.emulator.change(HERE)
    measured = await driven(contender)
    [[first, second, third]] = measured.effects.values()
    [alone, together] = [*measured.alone, *measured.together]
    assert first < alone.approved_at <= second <= alone.over_at <= together.approved_at <= third
    assert measured.approve_to_effect([alone]) == [1_000 * (second - alone.approved_at)]


async def test_no_pool_is_asked_for_the_size_that_it_has(contender: Contender) -> None:
    for _ in range(2):
        await driven(contender)
    contender.emulator.change(HERE, 5)
    await driven(contender)
    assert contender.sizes == [2, 3, 2, 3, 2, 3, 2, 3, 2]


@pytest.mark.parametrize("effects", [[], [HERE, HERE], [HERE, ELSEWHERE]])
async def test_changes_that_the_provider_does_not_know_so_are_not_measured(
    contender: Contender, effects: list[Place]
) -> None:
    contender.effects = effects
    with pytest.raises(RuntimeError):
        await driven(contender)


async def test_a_worker_that_was_started_anew_is_not_measured(contender: Contender) -> None:
    contender.crashes = True
    contender.emulator.pid = 1
    with pytest.raises(RuntimeError, match="worker: "):
        await driven(contender)


async def test_a_change_that_was_denied_is_not_taken_for_one_that_is_over() -> None:
    over = News()
    graph = Graph(worker=None, server=None, pool=None, waiting=None, opa_pid=0, emulator=None, over=over)  # type: ignore[arg-type]
    over.hear("one done")
    over.hear("two denied")
    await graph.ended("one")
    with pytest.raises(RuntimeError, match="two ended as denied"):
        await graph.ended("two")
