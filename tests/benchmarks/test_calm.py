"""A new server is left alone until its processor is: then nothing that it does for itself is measured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from benchmarks.floor import calm
from benchmarks.floor.calm import CALM, LOOK_EVERY, WITHIN, settle


class Server:
    """Uses so many seconds of processor in each second, look after look; the last share goes on."""

    def __init__(self, *shares: float) -> None:
        self.now = 0.0
        self.used = 0.0
        self._shares = itertools.chain(shares, itertools.repeat(shares[-1]))

    async def pause(self, seconds: float) -> None:
        self.now += seconds
        self.used += seconds * next(self._shares)

    def seconds(self, pids: Sequence[int]) -> float:
        return self.used

    async def settles(self) -> None:
        await settle([1], used=self.seconds, pause=self.pause, clock=lambda: self.now)


@pytest.fixture(autouse=True)
def unrest(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(calm, "UNREST", told)
    return told


async def test_a_server_that_works_is_left_alone_until_it_has_ended(unrest: list[str]) -> None:
    server = Server(1.5, 1.0, CALM * 2, CALM / 2)
    await server.settles()
    assert server.now == 5 * LOOK_EVERY
    assert unrest == []


async def test_one_quiet_look_between_two_busy_ones_is_no_calm() -> None:
    server = Server(1.0, CALM / 2, 1.0, CALM / 2)
    await server.settles()
    assert server.now == 5 * LOOK_EVERY


async def test_a_server_that_never_comes_to_rest_is_told_of(unrest: list[str]) -> None:
    server = Server(1.0)
    await server.settles()
    assert server.now > WITHIN
    assert unrest == ["Begun though the server was not calm after 122 s: 1.00 s of processor in a second."]
