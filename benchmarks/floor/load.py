"""Drives a contender: one change in flight, then some at a given rate, then as many as there are slots.

Keeps times and processor seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.floor.contenders import Contender
from benchmarks.floor.processor import spent
from emulators.gke.log import Calls
from tests.e2e.practice_ground import Place

SIZES = (2, 3)
"""Nodes per zone that a pool is set to, in turn. It begins with one."""
RATE = 4.0
"""Changes per second that each contender gets alike in the paced part: below what the slowest can do."""
RAMP = 3.0
"""Seconds at saturation that do not count: the first changes all began at once."""
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
    over_at: float
    effect_at: float
    """0 where only the provider knows."""


@dataclass
class Measured:
    """What one contender did in one round."""

    alone: list[Sample] = field(default_factory=list)
    paced: list[Sample] = field(default_factory=list)
    together: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    """Of the saturated part, from the end of the ramp until new changes were no longer begun."""
    within: int = 0
    """Changes that were over meanwhile."""
    processor: dict[str, float] = field(default_factory=dict)
    """Seconds by role over the saturated part, until the last change was over.

    `driver` is this process, `provider` the emulator.
    """
    paced_processor: dict[str, float] = field(default_factory=dict)
    """The same over the paced part: a server's work that no change asks for weighs alike on all contenders there."""
    effects: dict[str, list[float]] = field(default_factory=dict)
    """Target → moments at which the provider took a change, in order."""

    def throughput(self) -> float:
        """Return changes per second at saturation."""
        return self.within / self.seconds

    def cpu_ms(self, *roles: str) -> float:
        """Processor milliseconds per change of these roles, by default of the path."""
        return _ms(self.processor, roles or PATH, len(self.together))

    def paced_ms(self, *roles: str) -> float:
        """The same at `RATE`; 0 where nothing was measured at that rate."""
        return _ms(self.paced_processor, roles or PATH, len(self.paced)) if self.paced else 0.0

    def approve_to_effect(self, samples: Sequence[Sample]) -> list[float]:
        """Milliseconds from the press of the button to the moment at which the provider took the change."""
        return [1_000 * (self._effect_of(one) - one.approved_at) for one in samples]

    def _effect_of(self, sample: Sample) -> float:
        if sample.effect_at:
            return sample.effect_at
        [effect] = effects_of(sample, self.effects)
        return effect


def effects_of(sample: Sample, effects: Mapping[str, Sequence[float]]) -> list[float]:
    """Return when the provider took a change of the pool between the approval and the end of this one."""
    return [at for at in effects.get(sample.place.pool(), ()) if sample.approved_at <= at <= sample.over_at]


def require_one_effect_each(samples: Sequence[Sample], effects: Mapping[str, Sequence[float]]) -> None:
    """Hold what a contender says it did against what the provider took.

    Raises:
        RuntimeError: a change made no effect or several, or a pool was changed beside them.
    """
    for one in samples:
        if (count := len(effects_of(one, effects))) != 1:
            raise RuntimeError(f"{one.place.pool()}: a change that is over had {count} effects")
    if (taken := sum(map(len, effects.values()))) != len(samples):
        raise RuntimeError(f"{len(samples)} changes, and the provider took {taken}")


def _ms(processor: Mapping[str, float], roles: Sequence[str], changes: int) -> float:
    return 1_000 * sum(processor.get(one, 0.0) for one in roles) / changes


async def drive(
    contender: Contender,
    places: Sequence[Place],
    *,
    warm_up: int,
    alone: int,
    seconds: float,
    paced: int = 0,
) -> Measured:
    """Warm up; run `alone` changes one after the other, `paced` ones at `RATE`; then keep every slot busy.

    What is over within `seconds`, after a ramp, makes the throughput. Each slot has at least one change then. Where
    none of them is over in time, the time is what they all took.

    Raises:
        RuntimeError: a process that is measured ended, or the provider took other changes than these.
    """
    provider = contender.emulator
    earlier = provider.calls() if provider else Calls()
    slots = [Slot(contender, place, earlier) for place in places]
    warm = await asyncio.gather(*(slot.run() for slot in slots[:warm_up]))
    measured = Measured()
    for slot in itertools.islice(itertools.cycle(slots), alone):
        measured.alone.append(await slot.run())
    roles = {**contender.roles} | ({"provider": [provider.pid]} if provider else {})
    if paced:
        before = spent(roles)
        measured.paced = await _at_rate(slots, paced)
        after = spent(roles)
        measured.paced_processor = {role: after[role] - before[role] for role in roles}
    before, own = spent(roles), time.process_time()
    began = time.monotonic()
    first = began + (RAMP if seconds else 0.0)
    end = first + seconds

    async def keep_busy(slot: Slot) -> None:
        while True:
            measured.together.append(await slot.run())
            now = time.monotonic()
            if now >= end:
                return
            measured.within += now >= first

    await asyncio.gather(*(keep_busy(slot) for slot in slots))
    after = spent(roles)
    measured.seconds = seconds
    if not measured.within:
        measured.seconds, measured.within = time.monotonic() - began, len(measured.together)
    measured.processor = {role: after[role] - before[role] for role in roles}
    measured.processor["driver"] = time.process_time() - own
    if provider is not None:
        for call in Calls(provider.calls()[len(earlier) :]).accepted("SetNodePoolSize"):
            measured.effects.setdefault(call.target, []).append(call.ts.timestamp())
        samples = [*warm, *measured.alone, *measured.paced, *measured.together]
        require_one_effect_each(samples, measured.effects)
    return measured


async def _at_rate(slots: Sequence[Slot], changes: int) -> list[Sample]:
    """Begin a change whenever it is time for one, and a slot is free."""
    free: asyncio.Queue[Slot] = asyncio.Queue()
    for slot in slots:
        free.put_nowait(slot)
    began = asyncio.get_running_loop().time()

    async def one(number: int) -> Sample:
        await asyncio.sleep(began + number / RATE - asyncio.get_running_loop().time())
        slot = await free.get()
        try:
            return await slot.run()
        finally:
            free.put_nowait(slot)

    return await asyncio.gather(*(one(number) for number in range(changes)))


class Slot:
    """One place, whose changes run one after the other."""

    def __init__(self, contender: Contender, place: Place, earlier: Calls) -> None:
        """Begin with the first size that the pool does not have: to set the same again is no change."""
        self._contender, self._place = contender, place
        self._sizes = itertools.cycle(SIZES)
        before = earlier.accepted("SetNodePoolSize", target=place.pool())
        if before and before[-1].request["node_count"] == SIZES[0]:
            next(self._sizes)

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
        return Sample(self._place, taken, verdict, approved_at, acknowledged, time.time(), effect_at)
