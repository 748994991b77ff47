"""What each contender survives: the same four faults, brought about from outside, judged by the provider's own log.

`make bench-survival`. The worker is killed before and after the provider took the change; it hangs before the call
while another one takes over, and wakes; an approval comes while it hangs, and the approver's client gives up.
Sluice has the times that it is shipped with: a successor waits until no call of the older one can be on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError

from benchmarks.floor.change import READ_TIMEOUT
from benchmarks.floor.contenders import Contender
from benchmarks.floor.contest import OPENINGS, Opening, open_sluice
from benchmarks.floor.graph import CLAIM
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.naive_workflow import EFFECT_LIMIT
from benchmarks.floor.server import BenchServer, bench_server, scratch
from benchmarks.floor.sluice import AS_SHIPPED
from benchmarks.report import Bar, Chart, Figure, Result, Spread, arguments, conclude, say, told
from emulators.gke.faults import FaultKind
from emulators.gke.log import Calls
from tests.e2e.practice_ground import Place
from tests.gke_fixtures import RunningEmulator
from tests.waiting import eventually

READS_BEFORE_CALL = {"sluice": 0, "naive": 1, "langgraph": 1}
"""Looks at the pool between an approval and the one right before the call: the second policy gate of the plain ones."""
OVER_WITHIN = 180.0
SERVED_WITHIN = 120.0
SLOW = 3.0
PATIENCE = 3.0
"""Seconds that the approver's client waits."""
AFTERMATH = 4.0
"""Seconds in which a second effect would show."""
NODES = 3


@dataclass(frozen=True)
class Ordeal:
    """One contender under one fault."""

    contender: Contender
    emulator: RunningEmulator
    place: Place
    change_id: str
    ending: asyncio.Task[float]
    """Ends with the change, and tells when that was."""

    async def over(self) -> bool:
        """Return whether the change is over, once it is or was given up."""
        done, _ = await asyncio.wait({self.ending}, timeout=OVER_WITHIN)
        return bool(done)

    def calls(self, method: str) -> Calls:
        """What the provider served for this pool."""
        return self.emulator.calls().of(method, target=self.place.pool())

    async def slow(self, method: str, skip: int = 0) -> int:
        """Have the provider answer a call late; return how many it had served before."""
        where = {"cluster": self.place.name, "node_pool": "web"}
        await self.emulator.admin.add_fault(method, FaultKind.SLOW, skip=skip, delay=SLOW, **where)
        return len(self.calls(method))

    async def served(self, method: str, count: int) -> None:
        """Wait until the provider has taken so many calls."""

        async def taken() -> bool:
            return len(self.calls(method)) >= count

        await eventually(taken, limit=SERVED_WITHIN)

    async def before_the_call(self) -> None:
        """Approve, and return while the worker reads the pool right before its call."""
        skip = READS_BEFORE_CALL[self.contender.name]
        before = await self.slow("GetNodePool", skip)
        await self.contender.approve(self.change_id)
        await self.served("GetNodePool", before + skip + 1)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the worker hang."""
        [pid] = self.contender.roles["worker"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def killed_before_the_effect(one: Ordeal) -> None:
    """SIGKILL between what was decided and the call."""
    await one.before_the_call()
    await one.contender.kill()
    await one.contender.revive()


async def killed_after_the_effect(one: Ordeal) -> None:
    """SIGKILL when the provider has taken the change and the worker does not know yet."""
    await one.slow("SetNodePoolSize")
    await one.contender.approve(one.change_id)
    await one.served("SetNodePoolSize", 1)
    await one.contender.kill()
    await one.contender.revive()


async def two_resumers(one: Ordeal) -> None:
    """A worker hangs right before its call, another one takes over, the first one wakes."""
    await one.before_the_call()
    with one.frozen():
        # Sluice's supervisor counts the one that hangs as running, as any orchestrator would for a while.
        async with one.contender.second():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(one.served("SetNodePoolSize", 1), OVER_WITHIN)
            await one.over()
    await asyncio.sleep(AFTERMATH)


async def lost_approval(one: Ordeal) -> None:
    """An approval comes while the worker hangs; the client gives up; the worker is replaced."""
    with one.frozen():
        with contextlib.suppress(TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            await asyncio.wait_for(one.contender.approve(one.change_id), PATIENCE)
        await one.contender.kill()
    await one.contender.revive()


FAULTS: dict[str, Callable[[Ordeal], Awaitable[None]]] = {
    "killed before the effect": killed_before_the_effect,
    "killed after the effect": killed_after_the_effect,
    "two resumers": two_resumers,
    "approval given up on": lost_approval,
}


@dataclass(frozen=True)
class Outcome:
    """What became of a change, in the provider's words."""

    effects: int
    is_over: bool
    seconds: float
    """From the fault's beginning to the end of the change, or to when it was given up."""

    @property
    def is_right(self) -> bool:
        """One effect, and an end."""
        return self.is_over and self.effects == 1

    @property
    def text(self) -> str:
        """In words."""
        effects = f"{self.effects} effect{'' if self.effects == 1 else 's'}"
        ended = f"over after {self.seconds:.0f} s" if self.is_over else f"not over after {self.seconds:.0f} s"
        return f"{effects}, {ended}"


async def undergo(contender: Contender, place: Place, fault: Callable[[Ordeal], Awaitable[None]]) -> Outcome:
    """Bring one change to its approval, let the fault happen, and see what comes of it."""
    if contender.emulator is None:
        raise ValueError(f"{contender.name} changes nothing")
    change_id = await contender.propose(place, NODES)
    await contender.judged(change_id)
    began = time.monotonic()
    ending = asyncio.create_task(_ended(contender, change_id))
    try:
        one = Ordeal(contender, contender.emulator, place, change_id, ending)
        await fault(one)
        is_over = await one.over()
        seconds = (ending.result() if is_over else time.monotonic()) - began
    finally:
        ending.cancel()
    accepted = contender.emulator.calls().accepted("SetNodePoolSize", target=place.pool())
    return Outcome(len(accepted), is_over, seconds)


async def _ended(contender: Contender, change_id: str) -> float:
    await contender.ended(change_id)
    return time.monotonic()


async def survive(
    contender: Contender, places: Sequence[Place], faults: Sequence[str] = tuple(FAULTS)
) -> dict[str, Outcome]:
    """Put a contender through these faults, each at a place of its own."""
    found = {}
    for place, title in zip(places, faults, strict=True):
        found[title] = await undergo(contender, place, FAULTS[title])
        say(f"{contender.name}, {title}: {found[title].text}")
    return found


PARTS = (
    ("killed before the effect", "two resumers"),
    ("killed after the effect", "approval given up on"),
)
"""Faults that each have a stack of their own: most of it is waiting."""
_OPENINGS: dict[str, Opening] = OPENINGS | {
    "sluice": lambda server, directory, ground: open_sluice(server, directory, ground, **AS_SHIPPED)
}


async def measure(names: Sequence[str]) -> dict[str, dict[str, Outcome]]:
    """Put each of these contenders through all of them, side by side on one server, once every one has started."""
    started = asyncio.Barrier(len(names) * len(PARTS))

    async def one(server: BenchServer, name: str, faults: Sequence[str]) -> dict[str, Outcome]:
        ground = BenchGround(len(faults))
        with scratch(name) as directory:
            async with _OPENINGS[name](server, directory, ground) as contender:
                await started.wait()
                return await survive(contender, ground.slots, faults)

    async with bench_server() as server:
        found = await asyncio.gather(*(one(server, name, faults) for name in names for faults in PARTS))
    merged: dict[str, dict[str, Outcome]] = {name: {} for name in names}
    for name, outcomes in zip((name for name in names for _ in PARTS), found, strict=True):
        merged[name] |= outcomes
    return {name: {title: outcomes[title] for title in FAULTS} for name, outcomes in merged.items()}


def result(found: Mapping[str, Mapping[str, Outcome]], again: str, seconds: float) -> Result:
    """Return the report."""
    figures = [
        Figure(f"{name}: {title}", one.text, "1 effect, over", one.is_right)
        if name == "sluice"
        else told(f"{name}: {title}", one.text)
        for name, outcomes in found.items()
        for title, one in outcomes.items()
    ]
    titles = list(dict.fromkeys(title for outcomes in found.values() for title in outcomes))
    bars = [
        Bar(f"{title}: {name}", Spread.of([one.seconds]), said=one.text, is_wrong=not one.is_right)
        for title in titles
        for name, outcomes in found.items()
        if (one := outcomes.get(title))
    ]
    return Result(
        promise="What survives a killed worker, two resumers, and an approval whose sender gave up?",
        figures=figures,
        again=again,
        seconds=seconds,
        charts=(Chart("faults", "From the fault to the end of the change, and its effects", "s", bars),),
        notes=(
            "A second effect here sets the same size again. With an action that is not absolute, or with a "
            "change by somebody else in between, it would not be harmless.",
            "The seconds are those of the settings. Sluice has the time-outs and the pauses between its looks that it "
            "is shipped with: whoever takes over waits until no call of the one before can be on its way, "
            f"{float(AS_SHIPPED['SLUICE_GKE__CALL_TIMEOUT']):g} s and a margin of 10 s. What naive began is given to "
            f"another worker after {EFFECT_LIMIT} s, though a real pool takes minutes, and so would that; a claim of "
            f"LangGraph lasts {CLAIM:g} s. Both look five times a second.",
            "Of two resumers, the one that hangs is stopped whole, in a read. As it wakes, Temporal's SDK cancels what "
            "was given to another worker meanwhile, and it comes to no call: that keeps naive to one effect, and "
            "leaves the fence of Sluice nothing to do. LangGraph has no such thing: whoever wakes before the read has "
            f"run out, after {READ_TIMEOUT.total_seconds():g} s, makes its call. `make proof-zombie` stops workers of "
            "Sluice where only a fence helps.",
        ),
    )


def main() -> int:
    """Read the arguments and show."""
    parser = arguments(__doc__, quick="Sluice alone")
    parser.add_argument("--only", nargs="*", choices=list(READS_BEFORE_CALL), help="these alone")
    given = parser.parse_args()
    names = ["sluice"] if given.quick else (given.only or list(READS_BEFORE_CALL))
    began = time.monotonic()
    found = asyncio.run(measure(names))
    again = "python -m benchmarks.floor.survival" + (" --quick" if given.quick else "")
    return conclude(result(found, again, time.monotonic() - began), given)


if __name__ == "__main__":
    sys.exit(main())
