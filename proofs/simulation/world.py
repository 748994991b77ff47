"""One seed's fate: who goes on, who crashes, who is slow, and what time it is.

Actors (an attempt of an activity, a caller of the API, a delivery) go on one at a time, from one boundary to the next.
A boundary is a point at which a process can be lost: before and after each commit, send and acknowledgement.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from proofs.simulation.clocks import WrongClocks
from proofs.simulation.loop import VirtualLoop

BEGINS = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""When every seed begins."""
_TICK = 1e-5
_STALLS = (0.5, 3.0, 7.0, 12.0, 20.0, 60.0)
"""Seconds for which a process stands still."""


class Crash(BaseException):  # no error of ours: nothing in the product may catch it
    """The process that ran this is gone, with all that it had in memory."""


@dataclass
class Actor:
    """Who runs. Attempts of effects may freeze; what freezes for long is taken for lost while it goes on."""

    name: str
    may_freeze: bool = False
    froze: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its heartbeats have stopped for too long."""
    is_gone: bool = False
    """A crashed process does nothing more, not even while it unwinds."""


current_actor: ContextVar[Actor | None] = ContextVar("simulation_actor", default=None)


@dataclass(frozen=True)
class Fate:
    """How bad a seed's luck is."""

    crash_at: str | None = None
    """Boundary at which a process is lost for sure, when it is come to often enough."""
    crash_on: int = 1
    """The how-manieth time that is."""
    crashes: float = 0.0
    """Chance of a crash at any boundary."""
    stalls: float = 0.0
    """Chance that a process stands still at a boundary."""
    losses: float = 0.0
    """Chance that a message, an answer or a result is lost, late or doubled."""
    unanswered: float = 0.0
    """Chance that the answer to a change that was made is lost, or late."""
    refusals: float = 0.0
    """Chance that the provider does not answer a read."""
    meddling: float = 0.0
    """Chance that somebody else changes the pool right before an effect."""
    quorum: int | None = None
    """How many people must approve; None: as the seed draws."""
    edits: float = 0.25
    """Chance that somebody edits a proposal that people must approve."""
    away: float = 0.0
    """Seconds from the beginning in which Temporal takes nothing."""
    blind: float = 0.0
    """Seconds in which the provider answers no read, when the operation of a change is over."""
    denials: float = 0.0
    """Chance that the provider refuses a change for good."""
    shortfalls: float = 0.0
    """Chance that a change comes to less than was asked for, and its operation to no error."""
    storms: bool = False
    """Whether an agent asks for more than it may."""
    crowds: bool = False
    """Whether people decide all at once, and do not agree."""


class World:
    """What all parts of one seed share."""

    def __init__(self, seed: int, loop: VirtualLoop, fate: Fate) -> None:
        """Take over the loop's clock and its order of events."""
        self.seed = seed
        self.fate = fate
        self.chance = random.Random(seed)  # noqa: S311  a seed that replays, no secret
        self.reached: Counter[str] = Counter()
        self.crashed: Counter[str] = Counter()
        self.steps: list[str] = []
        """What happened, for whoever replays the seed."""
        self.is_calm = False
        """Set at the end: nothing breaks any more, so that all comes to rest."""
        self.watchers: list[Callable[[], bool]] = []
        """Asked before anybody goes on; true when they made somebody go on."""
        self.defects: list[str] = []
        self._clocks = WrongClocks(seed)
        self._loop = loop
        self._began = loop.now
        self._parked: list[asyncio.Future[None]] = []
        self._ids = self._ticks = 0
        loop.scheduler = self._choose
        loop.set_exception_handler(_tell)

    @property
    def now(self) -> datetime:
        """The one true time."""
        return BEGINS + timedelta(seconds=self._loop.now - self._began + self._ticks * _TICK)

    @property
    def age(self) -> float:
        """Seconds since the beginning."""
        return (self.now - BEGINS).total_seconds()

    @property
    def own_now(self) -> datetime:
        """What the process that runs takes for the time."""
        actor = current_actor.get()
        return self.now + self._clocks.ahead(actor.name if actor else "", self.now - BEGINS)

    def tick(self) -> datetime:
        """Return the next moment: no two transactions begin at the same one."""
        self._ticks += 1
        return self.now

    def new_id(self, prefix: str) -> str:
        """Return the next identifier: distinct over all seeds, the same at each replay."""
        self._ids += 1
        return f"{prefix}_{self.seed:08x}{self.chance.getrandbits(24):06x}{self._ids:06x}"

    def happens(self, probability: float) -> bool:
        """Draw."""
        return not self.is_calm and probability > 0 and self.chance.random() < probability

    def note(self, what: str) -> None:
        """Keep a step."""
        self.steps.append(f"{self._loop.now - self._began:9.3f} {what}")

    async def boundary(self, name: str) -> None:
        """Go on, later, or never.

        Raises:
            Crash: the process is lost here.
        """
        self.cross(name)
        await self.linger(name)

    async def linger(self, where: str) -> None:
        """Go on, perhaps much later.

        Raises:
            Crash: the process was lost meanwhile.
        """
        actor = current_actor.get()
        if actor is not None and actor.may_freeze and self.happens(self.fate.stalls):
            await self._freeze(actor, where)
        else:
            await self.turn()
        if actor is not None and actor.is_gone:
            raise Crash(where)

    def cross(self, name: str) -> None:
        """Go on at once, or never.

        Raises:
            Crash: the process is lost here, or was before and only unwinds.
        """
        actor = current_actor.get()
        if actor is not None and actor.is_gone:
            raise Crash(name)
        self.reached[name] += 1
        if not self._crashes(name):
            return
        self.crashed[name] += 1
        self.note(f"crash of {actor.name if actor else 'somebody'} at {name}")
        if actor is not None:
            actor.is_gone = True
        raise Crash(name)

    async def turn(self) -> None:
        """Let somebody else go first, perhaps."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._parked.append(waiting)
        await waiting

    async def pause(self, longest: float) -> None:
        """Wait for some time up to `longest` seconds."""
        await asyncio.sleep(self.chance.random() * longest)

    def _crashes(self, name: str) -> bool:
        if self.is_calm:
            return False
        if name == self.fate.crash_at and self.reached[name] == self.fate.crash_on:
            return True
        return self.happens(self.fate.crashes)

    async def _freeze(self, actor: Actor, where: str) -> None:
        lasts = self.chance.choice(_STALLS)
        self.note(f"{actor.name} stands still for {lasts} s at {where}")
        lost = self._loop.call_later(HEARTBEAT_TIMEOUT, actor.froze.set)
        await asyncio.sleep(lasts)
        lost.cancel()

    def _choose(self) -> bool:
        if any(watch() for watch in self.watchers):
            return True
        while self._parked:
            waiting = self._parked.pop(self.chance.randrange(len(self._parked)))
            if not waiting.done():
                waiting.set_result(None)
                return True
        return False


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell of an error that nobody took. What a process did beside its work may be where it was lost: no news."""
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)


HEARTBEAT_TIMEOUT = 5.0
"""Seconds after which an attempt without heartbeats counts as lost (`workflows/stages.py`)."""
