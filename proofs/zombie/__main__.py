"""Zombies: `make proof-zombie` stops a worker at each point of an effect, lets another take over, and wakes the first.

Two workers share some proposals. One stops itself with SIGSTOP where it is told to, and is woken when what it held is
over, or is being verified; or no other one is there, and it is woken when its call may not be made any more. Judged by
the provider's own log: outside the window between the last check and the call it makes no call after it woke. Inside
the call cannot be prevented: it is found, told in the audit log and by a page that arrives at a webhook, and a proposal
that was not over yet does not succeed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

from sqlalchemy import func, select

from adapters.store.schema import intents
from contracts.audit import AuditType
from contracts.configuration import NotificationEvent
from contracts.effect import LATE_CALL
from emulators.gke.faults import FaultKind
from emulators.gke.log import ServedCall
from local.bound import bound_command
from local.environment import module_command
from proofs.judgement.records import read
from proofs.report import Report, arguments, at_least, exactly, say
from proofs.workplace import programs, workplace
from proofs.zombie.worker import INSIDE, MARK, POINT, POINTS
from tests.adapters.dispatch.recording import Received, Receiver, receiving
from tests.e2e import processes
from tests.e2e.practice_ground import DEVELOPMENT, STAYS_CLOSED, Ground, Place
from tests.e2e.stack import Stack, eventually, running_stack

AT_ONCE = 6
"""Proposals that both workers share in one round: the zombie gets some of them."""
TRIES = 4
"""Times that so many are proposed until the zombie gets one."""
SETTLES_WITHIN = 180.0
AFTERWARDS = 5.0
"""Seconds that a woken worker gets to do what it was about to do."""
PAGED_WITHIN = 30.0
"""Seconds from the end of a round in which its pages must have arrived."""
SLOW_READING = 4.0
"""Seconds that a reading takes where the wake is to come during verification."""
WORKER = "proofs.zombie.worker"


class Wake(StrEnum):
    """When a zombie is woken."""

    OVER = "when all is over"
    VERIFYING = "while verifying"
    ALONE = "with nobody else at work"


@dataclass(frozen=True)
class Round:
    """What one zombie did."""

    point: str
    wake: Wake
    stops: int
    calls: Sequence[ServedCall]
    """Changing calls after it woke."""
    late: int
    """Calls that the audit log tells as late."""
    paged: int
    """Of these: pages that arrived at the webhook of whoever is on call."""
    states: dict[str, str]
    """Proposal → state at the end."""
    effects: dict[str, int]
    """Proposal → effects in the provider's log before it woke."""

    def faults(self) -> list[str]:
        """Return what is not as it must be, in words."""
        effects = [call for call in self.calls if call.accepted]
        wanted = 0 if self.wake is Wake.ALONE else 1
        found = [
            f"{one} had {times} effects before the wake"
            for one, times in self.effects.items()
            if times != wanted
        ]
        if self.point != INSIDE and self.calls:
            found.append(f"{len(self.calls)} calls after it woke")
        if self.point != INSIDE and self.late:
            found.append(f"{self.late} calls in time were told as late")
        if self.point == INSIDE and (len(effects), len(effects)) != (self.late, self.paged):
            found.append(f"{len(effects)} late effects, {self.late} found, {self.paged} paged")
        dirty = sum(state == "dirty" for state in self.states.values())
        if self.wake is not Wake.OVER and dirty != len(effects):
            found.append(f"{len(effects)} late effects {self.wake}, and {dirty} proposals are dirty")
        others = set(self.states.values()) - {"succeeded", "dirty"}
        if others or (dirty and not effects):
            found.append(f"ended as {sorted(self.states.values())}")
        return [f"{self.point}: {one}" for one in found]


async def run_round(stack: Stack, on_call: Receiver, point: str, size: int, wake: Wake = Wake.OVER) -> Round:
    """Let a worker stop at `point`, and wake it."""
    mark = stack.state_dir / f"zombie-{time.monotonic_ns()}"
    begin = {Wake.OVER: _begin, Wake.VERIFYING: _begin_one, Wake.ALONE: _begin_alone}[wake]
    async with _zombie(stack, point, mark) as process, _resting(stack, is_resting=wake is Wake.ALONE):
        began, ids = await begin(stack, mark, size)
        woke_at = datetime.now(UTC)
        os.kill(process.pid, signal.SIGCONT)
        await asyncio.sleep(AFTERWARDS)
        await eventually(lambda: _are_over(stack, ids), limit=SETTLES_WITHIN)
    async with stack.database() as database:
        records = await read(database)
    late = sum(one.type is AuditType.EFFECT_LATE and one.subject in ids for one in records.events)
    calls = [call for call in stack.emulator.calls().of("SetNodePoolSize") if call.ts >= began]
    return Round(
        point=point,
        wake=wake,
        stops=int(mark.exists()),
        calls=[call for call in calls if call.ts >= woke_at],
        late=late,
        paged=await _paged(on_call, ids, late),
        states={row.id: row.state for row in records.proposals if row.id in ids},
        effects={
            one: sum(call.accepted and call.target == place.pool() and call.ts < woke_at for call in calls)
            for one, place in ids.items()
        },
    )


async def _begin(stack: Stack, mark: Path, size: int) -> tuple[datetime, dict[str, Place]]:
    """Let both workers share some proposals, and return when all are over: the other one finished what was left.

    Where the other one took all of them, there are some more, and the earlier ones do not count.
    """
    for larger in range(TRIES):
        began = datetime.now(UTC)
        places = stack.ground.places(DEVELOPMENT)
        ids = {await stack.propose(place.resize(size + larger)): place for place in places}
        await eventually(partial(_is_stopped_or_over, stack, mark, ids), limit=SETTLES_WITHIN)
        for one in ids:
            await stack.until(one, "succeeded", limit=SETTLES_WITHIN)
        if await _exists(mark):
            break
    return began, ids


async def _begin_one(stack: Stack, mark: Path, size: int) -> tuple[datetime, dict[str, Place]]:
    """Propose one after the other until one is stopped in; return when the other worker verifies it."""
    began, ids = datetime.now(UTC), dict[str, Place]()
    for place in stack.ground.places(DEVELOPMENT):
        proposal_id = await stack.propose(place.resize(size))
        ids[proposal_id] = place
        await eventually(partial(_is_stopped_or_over, stack, mark, [proposal_id]), limit=SETTLES_WITHIN)
        if await _exists(mark):
            # In time: the other worker waits out the call deadline first.
            slow = {"cluster": place.name, "times": -1, "delay": SLOW_READING}
            await stack.admin.add_fault("GetNodePool", FaultKind.SLOW, **slow)
            await stack.until(proposal_id, "verifying", limit=SETTLES_WITHIN)
            await eventually(lambda: _is_quiet(stack), limit=SETTLES_WITHIN)
            break
    return began, ids


async def _begin_alone(stack: Stack, mark: Path, size: int) -> tuple[datetime, dict[str, Place]]:
    """Propose one, and return when it is stopped in and no call of it may be in flight any more."""
    began, place = datetime.now(UTC), stack.ground.places(DEVELOPMENT)[0]
    proposal_id = await stack.propose(place.resize(size))
    await eventually(partial(_exists, mark), limit=SETTLES_WITHIN)

    async def is_past_its_deadline() -> bool:
        async with stack.database() as database, database.reading() as connection:
            found = await connection.execute(
                select(func.max(intents.c.call_deadline) < func.clock_timestamp())
            )
            return bool(found.scalar_one())

    await eventually(is_past_its_deadline, limit=SETTLES_WITHIN)
    return began, {proposal_id: place}


@asynccontextmanager
async def _resting(stack: Stack, *, is_resting: bool) -> AsyncIterator[None]:
    """Have the first worker do nothing meanwhile."""
    pid = stack.pid("worker")
    if not is_resting or pid is None:
        yield
        return
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _is_stopped_or_over(stack: Stack, mark: Path, ids: Iterable[str]) -> bool:
    return await _exists(mark) or await _are_over(stack, ids)


async def _is_quiet(stack: Stack) -> bool:
    """No operation runs: the provider would take another call."""
    clusters = (await stack.admin.state())["clusters"]
    return all(one["status"] == "DONE" for cluster in clusters for one in cluster["operations"])


async def _paged(on_call: Receiver, ids: Collection[str], wanted: int) -> int:
    """Return how many pages about these proposals arrived, as soon as there are as many as wanted."""

    async def have_come() -> bool:
        return pages(on_call.received, ids) >= wanted

    with contextlib.suppress(TimeoutError):
        await eventually(have_come, limit=PAGED_WITHIN)
    return pages(on_call.received, ids)


def pages(received: Iterable[Received], ids: Collection[str]) -> int:
    """Count the messages that call a person to late calls of these proposals. One that came twice is one."""
    messages = {one.headers["webhook-id"]: json.loads(one.body) for one in received}
    return sum(
        one["type"] == f"sluice.{NotificationEvent.DIRTY}"
        and one["data"]["reason_code"] == LATE_CALL
        and one["data"]["proposal_id"] in ids
        for one in messages.values()
    )


@asynccontextmanager
async def _zombie(stack: Stack, point: str, mark: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker beside the first that will stop at `point`."""
    pid = stack.pid("worker")
    if pid is None:
        raise RuntimeError("the first worker does not run")
    ready = stack.state_dir / f"{mark.name}.ready"
    own = {"SLUICE_READY_FILE": str(ready), POINT: point, MARK: str(mark)}
    with (stack.state_dir / "logs" / "zombie.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *bound_command([*module_command(WORKER), "worker"]),
            env=processes.environment(pid) | own,
            stdout=log,
            stderr=log,
        )
    try:
        await eventually(lambda: _exists(ready), limit=60)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
        await processes.end(process)


async def _exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)


async def _are_over(stack: Stack, ids: Iterable[str]) -> bool:
    return all([(await stack.show(one))["is_final"] for one in ids])


async def prove(directory: Path, points: Sequence[tuple[str, Wake]]) -> list[Round]:
    """Run a round for each point on one stack, and say each."""
    found = []
    limits = {
        "max_share": 10.0,
        "breaker": STAYS_CLOSED,
        "effects_per_hour": 10_000,
        "repeats": {"proposals": 1000},
    }
    for number, (point, wake) in enumerate(points, 1):
        place = directory / str(number)
        place.mkdir()
        async with receiving() as on_call:
            ground = Ground(AT_ONCE, limits=limits, notifications=[notification(on_call, place)])
            async with running_stack(place, programs(), ground) as stack:
                one = await run_round(stack, on_call, point, 2, wake)
        found.append(one)
        say(
            f"{number} of {len(points)}, «{point}»: {len(one.calls)} calls after it woke, {one.late} told as late"
        )
    return found


def notification(on_call: Receiver, directory: Path) -> Mapping[str, str]:
    """Return the entry of the configuration by which whoever is on call is told."""
    secret = directory / "webhook.secret"
    secret.write_text("whsec_" + base64.b64encode(bytes(32)).decode())
    secret.chmod(0o600)
    return {"url": on_call.url, "secret_file": str(secret)}


def _named(point: str, wake: Wake) -> str:
    return point if wake is Wake.OVER else f"{point}, woken {wake}"


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="of every point")
    parser.add_argument("--only", default="", metavar="WORDS", help="points with these words in their name")
    given = parser.parse_args()
    chosen = [*((point, Wake.OVER) for point in POINTS), (INSIDE, Wake.VERIFYING), (INSIDE, Wake.ALONE)]
    chosen = [one for one in chosen if given.only in _named(*one)] * given.rounds
    if not chosen:
        parser.error(f"no point has «{given.only}» in its name")
    began = time.monotonic()
    with workplace("zombie") as place:
        found = asyncio.run(prove(place.directory, chosen))
        inside = [one for one in found if one.point == INSIDE]
        outside = [one for one in found if one.point != INSIDE]
        late = sum(call.accepted for one in inside for call in one.calls)
        only = f" --only '{given.only}'" if given.only else ""
        report = Report(
            promise=(
                "A worker that slept makes no call once it was given up; one it was stopped in the midst of is found "
                "and paged, and what was not over by then is no success (I1, I7)."
            ),
            figures=(
                exactly("workers stopped and woken", sum(one.stops for one in found), len(chosen)),
                exactly(
                    "calls after the wake, outside the window", sum(len(one.calls) for one in outside), 0
                ),
                *([at_least("late effects, inside the window", late, 1)] if inside else ()),
                exactly("late effects found", sum(one.late for one in found), late),
                exactly("late effects of which a page arrived", sum(one.paged for one in found), late),
            ),
            faults=[fault for one in found for fault in one.faults()],
            again=f"python -m proofs.zombie --rounds {given.rounds}{only}",
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
