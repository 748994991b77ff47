"""How soon a halt stops things is told only where something was left to stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import recovery
from contracts.base import utc_now
from emulators.gke.log import Calls, ServedCall
from tests.e2e.practice_ground import PRODUCTION, Place

PLACES = [Place(PRODUCTION, f"prod-{number:02}") for number in range(4)]


@dataclass
class Http:
    """Halts, which stand from the moment that they are asked for."""

    stands: bool = False
    seen: list[str] = field(default_factory=list)

    async def post(self, path: str, **_: Any) -> Any:
        self.stands = True
        return SimpleNamespace(raise_for_status=lambda: None, json=lambda: {"id": "hlt_1"})

    async def get(self, path: str, **_: Any) -> Any:
        return SimpleNamespace(json=lambda: {"status": "effective"})

    async def delete(self, path: str, **_: Any) -> Any:
        self.stands = False
        return SimpleNamespace(raise_for_status=lambda: None)


@dataclass
class Sluice:
    """Calls the provider as soon as a change is approved, and no halt stands that it heeds."""

    heeds: bool = True
    http: Http = field(default_factory=Http)
    served: Calls = field(default_factory=Calls)
    held: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    emulator: Any = None

    def __post_init__(self) -> None:
        self.emulator = SimpleNamespace(calls=lambda: Calls(self.served))

    async def propose(self, place: Place, nodes: int) -> str:
        return place.name

    async def judged(self, proposal_id: str) -> None: ...

    async def approve(self, proposal_id: str) -> None:
        if self.http.stands and self.heeds:
            self.held.append(proposal_id)
        else:
            self._call()

    async def ended(self, proposal_id: str) -> float:
        assert not self.http.stands
        if proposal_id in self.held:
            self._call()
        self.over.append(proposal_id)
        return 0.0

    def header_of(self, name: str) -> dict[str, str]:
        return {}

    def _call(self) -> None:
        self.served.append(
            ServedCall(seq=1, ts=utc_now(), surface="container", method="SetNodePoolSize", accepted=True)
        )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asleep(_: float) -> None: ...

    monkeypatch.setattr(recovery, "asyncio", SimpleNamespace(gather=asyncio.gather, sleep=asleep))


async def test_what_a_halt_held_is_counted_and_over_before_anything_else_begins() -> None:
    sluice = Sluice()
    last_effect, effective, held = await recovery.halt(sluice, PLACES)  # type: ignore[arg-type]
    assert held == 2
    assert last_effect < effective
    assert sluice.over == [one.name for one in PLACES]


async def test_a_halt_that_held_nothing_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="held none"):
        await recovery.halt(Sluice(heeds=False), PLACES)  # type: ignore[arg-type]
