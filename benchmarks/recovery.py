"""How soon does it go on, stop, or refuse? `make bench-recovery`.

On Sluice with two workers, over a real Temporal server. One of them is killed while workflows wait in its memory and
while its effects are under way; a halt is pressed when half of what waits is approved, and before the other half is; a
breaker is driven open by failures.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.floor.ground import BenchGround
from benchmarks.floor.news import told_of
from benchmarks.floor.sluice import Sluice, sluice_alone
from benchmarks.report import (
    Bar,
    Chart,
    Result,
    Spread,
    arguments,
    conclude,
    exactly,
    say,
    timed_at_most,
    told,
)
from contracts.evaluation import Outcome
from emulators.gke.faults import FaultKind
from emulators.gke.log import Calls
from tests.e2e.practice_ground import PRODUCTION, Place
from tests.waiting import eventually

UPDATE_SECONDS, EFFECT_SECONDS = 3.0, 10.0
FAILURES = 3
LONG, SHORT = 240.0, 0.05
"""Seconds of a provider's operation."""
OPERATION_TIMEOUT = "PT600S"
_LEFT = "OLD.state = 'awaiting_approval' AND NEW.state <> 'awaiting_approval'"
_VERDICT = "concat_ws(' ', NEW.proposal_id, NEW.outcome)"
_OPENED = "SELECT true FROM breakers WHERE state = 'open' LIMIT 1"


@dataclass(frozen=True)
class Recovered:
    """Seconds, each from the fault on."""

    updates: list[float]
    effects: list[float]
    failures: int
    """Failed effects until the breaker was open."""
    opened_after: float
    """From the first call that fails to the end of the change that opened the breaker."""
    held_after: float
    """From the open breaker to the pass that holds the next change, proposed and approved at once."""
    halt_last_effect: float
    """From the halt to the last call that the provider took; negative: none came after it."""
    halt_effective: float
    halt_held: int
    """Approved changes that the provider was not asked for as long as the halt stood."""


async def _waiting(sluice: Sluice, places: Sequence[Place], nodes: int) -> list[str]:
    ids = [await sluice.propose(place, nodes) for place in places]
    for one in ids:
        await sluice.judged(one)
    return ids


async def updates(sluice: Sluice, places: Sequence[Place]) -> list[float]:
    """Kill the worker that has the workflows in memory, approve at once, and time until each is applied."""
    ids = await _waiting(sluice, places, 2)
    async with told_of(sluice.dsn, "proposals", _LEFT) as left, sluice.second():
        await sluice.kill()
        killed = time.monotonic()

        async def one(proposal_id: str) -> float:
            await sluice.approve(proposal_id)
            await left.of(proposal_id)
            return time.monotonic() - killed

        found = list(await asyncio.gather(*(one(proposal_id) for proposal_id in ids)))
        for proposal_id in ids:
            await sluice.ended(proposal_id)
        await sluice.revive()
    return found


async def effects(sluice: Sluice, places: Sequence[Place]) -> list[float]:
    """Kill the worker amid running operations, and time until another one asks the provider about each."""
    await sluice.emulator.admin.settings(operation=LONG)
    ids = await _waiting(sluice, places, 3)
    before = {place: len(_accepted(sluice, place)) for place in places}
    for proposal_id in ids:
        await sluice.approve(proposal_id)

    async def under_way() -> bool:
        return all(len(_accepted(sluice, place)) > before[place] for place in places)

    await eventually(under_way, limit=120, pause=0.1)
    async with sluice.second():
        await sluice.kill()
        killed = time.time()

        async def resumed() -> list[float]:
            calls = sluice.emulator.calls()
            asked = [_asked_after(calls, place, killed) for place in places]
            return [moments[0] - killed for moments in asked] if all(asked) else []

        found = await eventually(resumed, limit=120, pause=0.1)
        for name in [one["name"] for one in await _operations(sluice)]:
            await sluice.emulator.admin.finish_operation(name)
        for proposal_id in ids:
            await sluice.ended(proposal_id)
        await sluice.revive()
    await sluice.emulator.admin.settings(operation=SHORT)
    return found


async def _operations(sluice: Sluice) -> list[dict[str, str]]:
    state = await sluice.emulator.admin.state()
    return [one for cluster in state["clusters"] for one in cluster["operations"] if one["status"] != "DONE"]


def _accepted(sluice: Sluice, place: Place) -> Calls:
    return sluice.emulator.calls().accepted("SetNodePoolSize", target=place.pool())


def _asked_after(calls: Calls, place: Place, moment: float) -> list[float]:
    """Return when the provider was asked about an operation of a cluster after a moment. Looks ask something else."""
    own = {one.operation for one in calls.accepted(target=place.cluster)}
    moments = [
        one.ts.timestamp()
        for one in calls.of("GetOperation")
        if str(one.request.get("name")).rpartition("/")[2] in own
    ]
    return [one for one in moments if one > moment]


async def breaker(sluice: Sluice, place: Place) -> tuple[int, float, float]:
    """Fail until the breaker is open, then propose and approve once more.

    A first pass refuses nobody whom an open breaker need not stop for good: the pass before the effect holds.

    Raises:
        RuntimeError: a change did not fail, or the open breaker let one through.
    """
    before, failures = len(_accepted(sluice, place)), 0
    while await sluice.pool.fetchval(_OPENED) is None:
        where = {"cluster": place.name, "node_pool": "web"}
        await sluice.emulator.admin.add_fault(
            "SetNodePoolSize", FaultKind.STOCKOUT, recovers_after=0.5, **where
        )
        proposal_id = await sluice.propose(place, 4)
        await sluice.judged(proposal_id)
        await sluice.approve(proposal_id)
        if await sluice.state_after(proposal_id) != "rolled_back":
            raise RuntimeError(f"{proposal_id} did not fail")
        failures += 1
        if failures > 2 * FAILURES:
            break
    opened = time.time()
    async with told_of(sluice.dsn, "evaluations", "NEW.pass_number > 1", _VERDICT, "INSERT") as admitting:
        [proposal_id] = await _waiting(sluice, [place], 5)
        await sluice.approve(proposal_id)
        [outcome] = await admitting.of(proposal_id)
    held = time.time() - opened
    if outcome != Outcome.HOLD:
        raise RuntimeError(f"the breaker is open, and the next change came to {outcome}")
    return failures, opened - _accepted(sluice, place)[before].ts.timestamp(), held


async def halt(sluice: Sluice, places: Sequence[Place]) -> tuple[float, float, int]:
    """Approve half, press halt at the first effect, approve the rest; see what the provider still took, and let go.

    Raises:
        RuntimeError: the halt held nothing, or not all that it held was made afterwards.
    """
    ids = await _waiting(sluice, places, 4)
    before = len(sluice.emulator.calls().accepted("SetNodePoolSize"))
    early, late = ids[: len(ids) // 2], ids[len(ids) // 2 :]
    approving = asyncio.gather(*(sluice.approve(one) for one in early))

    async def begun() -> bool:
        return len(sluice.emulator.calls().accepted("SetNodePoolSize")) > before

    await eventually(begun, limit=120)
    pressed = time.time()
    body = {"scope": {"environment": PRODUCTION.name}, "reason": "benchmark"}
    made = await sluice.http.post("/v1/halts", json=body, headers=sluice.header_of("operator"))
    made.raise_for_status()
    await asyncio.gather(approving, *(sluice.approve(one) for one in late))

    async def is_effective() -> bool:
        path = f"/v1/halts/{made.json()['id']}"
        shown = await sluice.http.get(path, headers=sluice.header_of("viewer"))
        return bool(shown.json()["status"] == "effective")

    await eventually(is_effective, limit=180)
    effective = time.time() - pressed
    await asyncio.sleep(1)
    calls = sluice.emulator.calls().accepted("SetNodePoolSize")
    held = len(ids) - (len(calls) - before)
    if held < 1:
        raise RuntimeError(f"{len(ids)} changes were approved, and the halt held none of them")
    ended = await sluice.http.delete(f"/v1/halts/{made.json()['id']}", headers=sluice.header_of("operator"))
    ended.raise_for_status()
    for proposal_id in ids:
        await sluice.ended(proposal_id)
    return calls[-1].ts.timestamp() - pressed, effective, held


async def recover(sluice: Sluice, places: Sequence[Place], count: int) -> Recovered:
    """Run all four, one after the other, with `count` proposals each and a place for each of them."""
    found_updates = await updates(sluice, places[:count])
    say(f"updates: {max(found_updates):.1f} s")
    found_effects = await effects(sluice, places[count : 2 * count])
    say(f"effects: {max(found_effects):.1f} s")
    last_effect, effective, stopped = await halt(sluice, places[2 * count : 3 * count])
    say(f"halt: last effect after {last_effect:.2f} s, {stopped} held")
    failures, opened, held = await breaker(sluice, places[3 * count])
    return Recovered(found_updates, found_effects, failures, opened, held, last_effect, effective, stopped)


async def measure(count: int) -> Recovered:
    """Do so on a server and a stack of its own."""
    ground = BenchGround(3 * count + 1, breaker={"failures": FAILURES})
    async with sluice_alone(ground, SLUICE_GKE__OPERATION_TIMEOUT=OPERATION_TIMEOUT) as sluice:
        return await recover(sluice, ground.slots, count)


def result(found: Recovered, again: str, seconds: float) -> Result:
    """Return the report."""
    bars = [
        Bar("Updates answered", Spread.of(found.updates)),
        Bar("effects resumed", Spread.of(found.effects)),
        Bar("open breaker: next held", Spread.of([found.held_after])),
        Bar("halt: last effect", Spread.of([max(0.0, found.halt_last_effect)])),
        Bar("halt: effective", Spread.of([found.halt_effective])),
    ]
    return Result(
        promise="How soon does it go on, stop, or refuse?",
        figures=(
            timed_at_most(
                "worker killed → Updates on its workflows applied, slowest",
                max(found.updates), UPDATE_SECONDS, " s",
            ),
            timed_at_most("worker killed → its effects resumed, slowest", max(found.effects), EFFECT_SECONDS, " s"),
            exactly("failed effects until the breaker is open", found.failures, FAILURES),
            told("first failed call → breaker open, rolling back each time", f"{found.opened_after:.1f} s"),
            told("open breaker → next change held, once approved", f"{found.held_after:.2f} s"),
            told(
                "halt → last effect",
                f"{found.halt_last_effect:.2f} s" if found.halt_last_effect > 0 else "none came after it",
            ),
            told("halt → effective", f"{found.halt_effective:.2f} s"),
            told("approved changes that the halt held", found.halt_held),
        ),
        again=again,
        seconds=seconds,
        charts=(Chart("times", "From a killed worker, an open breaker, a halt", "s", bars),),
        notes=(
            f"{len(found.updates)} workflows and as many effects at once; a second worker was already running.",
            "The halt is pressed when half of the changes are approved and the provider has taken the first; the other "
            "half is approved as soon as it stands. What it held is over before the breaker's turn.",
            "Until it is effective, a halt lets calls end whose intent was committed before it. It is effective once "
            "none of them can be in flight any more: within the time-out of a call (here 2 s) and its margin (10 s).",
        ),
    )  # fmt: skip


def main() -> int:
    """Read the arguments and measure."""
    parser = arguments(__doc__, quick="two of everything")
    given = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(measure(2 if given.quick else 10))
    again = "python -m benchmarks.recovery" + (" --quick" if given.quick else "")
    return conclude(result(found, again, time.monotonic() - began), given)


if __name__ == "__main__":
    sys.exit(main())
