"""Drives a contender: one change in flight, then as many as there are slots. Keeps times and processor seconds."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.floor.contenders import Contender
from benchmarks.floor.processor import spent
from tests.e2e.practice_ground import Place

SIZES = (2, 3)
"""Nodes per zone that a pool is set to, in turn. It begins with one."""
PATH = ("worker", "policy", "temporal", "database")
"""Roles whose processor time is the cost of the path."""


@dataclass(frozen=True)
class Sample:
    """One change. Seconds; moments are of the epoch."""

    place: Place
    taken: float
    """Until the intake was acknowledged."""
    verdict: float
    """Until it waited for a person."""
    approved_at: float
    acknowledged: float
    """Until the decision was."""
    effect_at: float
    """0 where only the provider knows."""


@dataclass
class Measured:
    """What one contender did in one round."""

    alone: list[Sample] = field(default_factory=list)
    together: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    """Of the saturated part, until new changes were no longer begun."""
    within: int = 0
    """Changes that were over by then."""
    processor: dict[str, float] = field(default_factory=dict)
    """Seconds by role over the saturated part, until the last change was over.

    `driver` is this process, `provider` the emulator.
    """
    effects: dict[str, list[float]] = field(default_factory=dict)
    """Target → moments at which the provider took a change, in order."""

    def throughput(self) -> float:
        """Return changes per second at saturation."""
        return self.within / self.seconds

    def cpu_ms(self, *roles: str) -> float:
        """Processor milliseconds per change of these roles, by default of the path."""
        return 1_000 * sum(self.processor.get(one, 0.0) for one in roles or PATH) / len(self.together)

    def approve_to_effect(self, samples: Sequence[Sample]) -> list[float]:
        """Milliseconds from the press of the button to the moment at which the provider took the change."""
        return [1_000 * (self._effect_of(one) - one.approved_at) for one in samples]

    def _effect_of(self, sample: Sample) -> float:
        if sample.effect_at:
            return sample.effect_at
        return next(at for at in self.effects[sample.place.pool()] if at >= sample.approved_at)


async def drive(
    contender: Contender, places: Sequence[Place], *, warm_up: int, alone: int, seconds: float
) -> Measured:
    """Warm up, run `alone` changes one after the other, then keep every slot busy for `seconds`.

    Each slot has at least one change. Where none of them is over in time, the time is what they all took.
    """
    slots = [Slot(contender, place) for place in places]
    await asyncio.gather(*(slot.run() for slot in slots[:warm_up]))
    measured = Measured()
    for slot in itertools.islice(itertools.cycle(slots), alone):
        measured.alone.append(await slot.run())
    provider = contender.emulator
    roles = {**contender.roles} | ({"provider": [provider.pid]} if provider else {})
    before, own = spent(roles), time.process_time()
    began = time.monotonic()
    end = began + seconds

    async def keep_busy(slot: Slot) -> None:
        measured.together.append(await slot.run())
        while time.monotonic() < end:
            measured.within += 1
            measured.together.append(await slot.run())

    await asyncio.gather(*(keep_busy(slot) for slot in slots))
    after = spent(roles)
    measured.seconds = seconds
    if not measured.within:
        measured.seconds, measured.within = time.monotonic() - began, len(measured.together)
    measured.processor = {role: after[role] - before[role] for role in roles}
    measured.processor["driver"] = time.process_time() - own
    if provider is not None:
        for call in provider.calls().accepted("SetNodePoolSize"):
            measured.effects.setdefault(call.target, []).append(call.ts.timestamp())
    return measured


class Slot:
    """One place, whose changes run one after the other."""

    def __init__(self, contender: Contender, place: Place) -> None:
        """Begin with the first size."""
        self._contender, self._place = contender, place
        self._sizes = itertools.cycle(SIZES)

    async def run(self) -> Sample:
        """Run one change from its beginning to its end."""
        began = time.monotonic()
        change_id = await self._contender.propose(self._place, next(self._sizes))
        taken = time.monotonic() - began
        await self._contender.judged(change_id)
        verdict = time.monotonic() - began
        approved_at, asked = time.time(), time.monotonic()
        await self._contender.approve(change_id)
        acknowledged = time.monotonic() - asked
        effect_at = await self._contender.ended(change_id)
        return Sample(self._place, taken, verdict, approved_at, acknowledged, effect_at)
