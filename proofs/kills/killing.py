"""Ends parts with a signal, at a chosen point or at a drawn moment, and measures how soon the path goes on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from proofs.kills.points import FRESH, POINTS, STARTING, WAITING
from proofs.kills.watch import PAUSE, RECORDS, View, Watcher
from proofs.report import say
from tests.e2e.stack import Stack
from tests.waiting import eventually

PATIENCE = 2.0
"""Seconds for which a chosen point is waited for; then the rarest one that is there is taken."""
ENOUGH = 20
"""Proposals that must be in flight at a kill."""
GIVES_UP = 120.0
"""Seconds after which a part counts as not coming back."""
WITHIN = 30.0
"""Seconds within which the path must go on after a kill."""
WHOLE_EVERY = 10
"""After one of so many kills of a part nothing is killed until all that it had caught at work has gone on."""
_WRITTEN = (
    "SELECT max(created_at) FROM audit_events WHERE type LIKE ANY($1::text[]) AND actor LIKE '%/sluice'"
)
_TAKEN = "SELECT max(created_at) FROM proposals WHERE request_id IS NULL"
"""Only the API makes these: the worker goes on without it."""
_GONE_ON = """
SELECT DISTINCT subject FROM audit_events
WHERE subject = ANY($1::text[]) AND created_at > $2 AND type <> 'decision.recorded'"""
"""A vote that is taken is not the worker's work."""
_SIGNALS = {"postgres": signal.SIGQUIT}
"""Immediate shutdown: no checkpoint, sessions are dropped, the next start recovers from the log."""
_DURING_START = (STARTING, FRESH)


async def until(is_so: Callable[[], bool]) -> None:
    """Return once it is so. Looks as often as the watcher does."""
    while True:
        if is_so():
            return
        await asyncio.sleep(PAUSE / 2)


@dataclass(frozen=True)
class Kill:
    """One death."""

    part: str
    at: datetime
    point: str
    """Where it struck. For other parts than the worker: a drawn moment."""
    caught: Mapping[str, str]
    """Everything open, each with its point, right after it."""
    in_flight: int
    back_after: float
    """Seconds until the worker wrote something again; of the API, until it had taken something again."""

    @property
    def interrupted(self) -> Mapping[str, str]:
        """What was caught at its work, each with its point: only that can go on late. The API does none of it."""
        if self.part == "api":
            return {}
        return {subject: point for subject, point in self.caught.items() if point not in WAITING}


@dataclass
class Killer:
    """Kills one part after the other."""

    stack: Stack
    watcher: Watcher
    chance: random.Random
    within: float = WITHIN
    kills: list[Kill] = field(default_factory=list)
    aims: Counter[str] = field(default_factory=Counter)
    """How often each point was aimed at, whether it was there or not."""
    recovered: list[Kill] = field(default_factory=list)
    """Kills after which all that they had caught at work was waited for, and went on in time."""

    async def kill_workers(self, times: int) -> None:
        """Kill the worker so often under load, aiming at each point in turn."""
        for number in range(1, 2 * times + 1):
            await self._kill_worker()
            await self.recover(number)
            counted = len(self.under_load())
            if number % 10 == 0:
                say(f"{counted} of {times} worker kills, {len(self.by_point())} of {len(POINTS)} points")
            if counted >= times:
                return

    async def kill_others(self, part: str, times: int) -> None:
        """Kill another part at drawn moments."""
        for number in range(1, times + 1):
            await self._enough()
            await asyncio.sleep(self.chance.uniform(0, 1.5))
            await self._kill(part, "")
            await self.stack.back(part, limit=GIVES_UP)
            await self.recover(number)
        say(f"{times} kills of {part}")

    def by_point(self) -> Counter[str]:
        """Kills of the worker by point, without those that struck where nothing was."""
        return Counter(one.point for one in self.kills if one.part == "worker" and one.point)

    def aim(self) -> str:
        """Choose a point: each in turn, so that one that is never there is not waited for each time."""
        fewest = min(self.aims[one] for one in POINTS)
        aimed = self.chance.choice(self._rarest([one for one in POINTS if self.aims[one] == fewest]))
        self.aims[aimed] += 1
        return aimed

    def under_load(self) -> list[Kill]:
        """Kills of the worker with enough in flight, as it was right after them."""
        return [one for one in self.kills if one.part == "worker" and one.in_flight >= ENOUGH]

    async def _kill_worker(self) -> None:
        await self._enough()
        aimed = self.aim()
        if aimed in _DURING_START and self.kills:
            await self._kill_while_it_starts(aimed)
            return
        await self._await_point(aimed)
        await self._kill("worker", aimed)

    async def _enough(self) -> None:
        async with self._patience(f"{ENOUGH} proposals in flight"):
            await until(lambda: self.watcher.view.in_flight >= ENOUGH)

    @asynccontextmanager
    async def _patience(self, wanted: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(GIVES_UP):
                yield
        except TimeoutError as error:
            stands = dict(Counter(self.watcher.view.points.values()))
            raise RuntimeError(f"{GIVES_UP:.0f} s without {wanted}; what is open: {stands}") from error

    def _rarest(self, among: Sequence[str]) -> list[str]:
        counted = self.by_point()
        fewest = min(counted[one] for one in among)
        return [one for one in among if counted[one] == fewest]

    async def _await_point(self, aimed: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await until(lambda: aimed in self.watcher.view.points.values())

    async def _kill_while_it_starts(self, aimed: str) -> None:
        """Kill a worker, and the next one as soon as it has begun, or the moment it says that it is ready."""
        await self._kill("worker", aimed, wait=False)
        ready = self.stack.state_dir / "worker.ready"
        before = ready.stat().st_ctime_ns if ready.exists() else 0
        async with self._patience("the next worker"):
            await until(lambda: self.stack.pid("worker") is not None)
            if aimed == FRESH:
                await until(lambda: ready.exists() and ready.stat().st_ctime_ns != before)
        if aimed == STARTING:
            await asyncio.sleep(self.chance.uniform(0, 1))
        await self._kill("worker", aimed, at_start=True)

    async def _kill(self, part: str, aimed: str, *, wait: bool = True, at_start: bool = False) -> None:
        await self.stack.end(part, _SIGNALS.get(part, signal.SIGKILL))
        at = datetime.now(UTC)
        view = await self._look() if part == "worker" else self.watcher.view
        point = "" if part != "worker" else aimed if at_start else self._struck(aimed, view)
        back = await self._resumed(part, at) if wait else 0.0
        self.kills.append(Kill(part, at, point, dict(view.points), view.in_flight, back))

    def _struck(self, aimed: str, view: View) -> str:
        """The point aimed at when something is there, else the rarest one at which something is."""
        there = sorted(set(view.points.values()))
        if aimed in there or not there:
            return aimed if there else ""
        return self._rarest(there)[0]

    async def _look(self) -> View:
        while True:
            with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
                return await self.watcher.look()

    async def recover(self, number: int) -> None:
        """After one of ten kills: let all of it go on. What is killed again and again never shows its whole time."""
        kill = self.kills[-1]
        if number % WHOLE_EVERY != WHOLE_EVERY // 2 or not kill.interrupted:
            return
        # What takes longer is found later: its time counts until the next kill that catches it.
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: self._all_went_on(kill), limit=self.within, pause=PAUSE * 5)
            self.recovered.append(kill)

    async def _all_went_on(self, kill: Kill) -> bool:
        """Whether of all that it interrupted something was written since, or it is not open any more."""
        view, subjects = self.watcher.view, list(kill.interrupted)
        with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
            found = await self.watcher.fetch(_GONE_ON, subjects, kill.at)
            standing = set(subjects) - {row["subject"] for row in found}
            return view.at > kill.at and not standing & view.points.keys()
        return False

    async def _resumed(self, part: str, since: datetime) -> float:
        asking = (_TAKEN,) if part == "api" else (_WRITTEN, list(RECORDS))
        async with self._patience(f"a sign of life after a kill of {part}"):
            while True:
                with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
                    [row] = await self.watcher.fetch(*asking)
                    # What was on its way to the database at the kill may still have arrived there.
                    if row["max"] is not None and (row["max"] - since).total_seconds() > PAUSE * 5:
                        return float((row["max"] - since).total_seconds())
                await asyncio.sleep(PAUSE * 5)
