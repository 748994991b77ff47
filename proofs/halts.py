"""Halts against proposals that are about to execute: `make proof-halts`, in rounds of 100 on a practice stack.

In each round the proposals are approved at once, and the halt comes when a drawn number of them has changed its
target. One is approved under the halt, so that each halt holds something. Judged by the provider's own log, and by the
database for the moments of the halt: no covered call from when it is `effective` until it ends; afterwards each
proposal changed its target exactly once, the held ones too.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from contracts.holds import on_halt
from emulators.gke.log import ServedCall
from proofs.report import Figure, Report, arguments, at_least, exactly, say, told
from proofs.workplace import programs, workplace
from tests.e2e.practice_ground import STAGING, STAYS_CLOSED, Environment, Ground, Place
from tests.e2e.stack import Programs, Stack, eventually, running_stack
from tests.waiting import until

AT_ONCE = 16
"""Requests of people under way at the same time."""
QUIET = 2.0
"""Seconds for which nothing may come after `effective`, before the halt is ended."""
SETTLES_WITHIN = 600.0
CALL_TIMEOUT = 60
"""Seconds. The provider's stand-in may be slow on a busy machine, and a call without an answer proves nothing."""


@dataclass(frozen=True)
class Round:
    """What one halt met."""

    proposals: int
    calls_before: int
    """Calls that took effect before the halt was effective."""
    calls_under_halt: int
    calls_after: int
    on_their_way: int
    """Proposals that were approved when the halt was made, and changed their target only then."""
    held: int
    """Proposals that went on when the halt ended."""
    seconds_to_last: float
    """From the end of the halt to the last change."""
    states: Counter[str]
    changes_per_target: frozenset[int]

    def faults(self) -> list[str]:
        """Return what is not as it must be, in words."""
        found = []
        if self.calls_under_halt:
            found.append(f"{self.calls_under_halt} calls after the halt was effective")
        if self.states != Counter({"succeeded": self.proposals}):
            found.append(f"ended as {dict(self.states)}")
        if self.changes_per_target != {1}:
            found.append(f"targets were changed {sorted(self.changes_per_target)} times")
        return found


class HaltGround(Ground):
    """Clusters in staging only, where one person approves, and limits that stop nothing by themselves."""

    def __init__(self, proposals: int) -> None:
        """Declare a cluster for each proposal of a round."""
        rates = {name: {"capacity": 10_000, "per_hour": 10_000} for name in ("target", "tenant", "fleet")}
        limits = {
            "max_share": 10.0,
            "breaker": STAYS_CLOSED,
            "rates": rates,
            "storm": {"proposals": 10_000, "changes": 10_000},
            "oscillation": {"turns": 20, "window": "1m"},
        }
        super().__init__(proposals, limits=limits)

    def places(self, environment: Environment) -> list[Place]:
        """No clusters but in staging."""
        return super().places(environment) if environment == STAGING else []


async def run_round(stack: Stack, places: Sequence[Place], size: int, first: int) -> Round:
    """Approve a resize of every place, halt once the `first` so many have changed, end it, and wait for the end."""
    before, log_size = len(_changes(stack, places)), stack.emulator.log_path.stat().st_size
    ids = await _together([stack.propose(place.resize(size)) for place in places])
    await _together([stack.until(one, "awaiting_approval", limit=SETTLES_WITHIN) for one in ids])
    async with asyncio.TaskGroup() as approving:
        approving.create_task(_together([_approve(stack, one) for one in ids[:-1]]))
        await until(lambda: _changed_since(stack, log_size, places) >= first, limit=SETTLES_WITHIN)
        halt = await _halt(stack)
    await _approve(stack, ids[-1])
    await eventually(lambda: _held(stack, halt, ids[-1:]), limit=SETTLES_WITHIN)
    effective_at: datetime = await eventually(
        lambda: _moment(stack, halt, "effective_at"), limit=SETTLES_WITHIN
    )
    await asyncio.sleep(QUIET)
    held = await _held(stack, halt, ids)
    await _end(stack, halt)
    ended_at = await _moment(stack, halt, "ended_at")
    for one in ids:
        await stack.until(one, "succeeded", limit=SETTLES_WITHIN)
    calls = [call for call in stack.emulator.calls().of("SetNodePoolSize") if _is_at(call.target, places)]
    changes = _changes(stack, places)[before:]
    changed = Counter(call.target for call in changes)
    made_at = await _moment(stack, halt, "created_at")
    approved = await _approved(stack, ids, made_at)
    changed_later = {call.target for call in changes if call.ts > made_at}
    return Round(
        proposals=len(ids),
        calls_before=len([call for call in changes if call.ts <= effective_at]),
        calls_under_halt=len([call for call in calls if effective_at < call.ts < ended_at]),
        calls_after=len([call for call in changes if call.ts >= ended_at]),
        on_their_way=sum(
            one in approved and place.pool() in changed_later for one, place in zip(ids, places, strict=True)
        ),
        held=held,
        seconds_to_last=max((call.ts - ended_at).total_seconds() for call in changes),
        states=Counter(await _states(stack, ids)),
        changes_per_target=frozenset(changed[place.pool()] for place in places),
    )


async def _approve(stack: Stack, proposal_id: str) -> None:
    answer = await stack.decide(proposal_id)
    answer.raise_for_status()


async def _halt(stack: Stack) -> str:
    """From its answer on no covered effect begins."""
    body = {"scope": {"environment": STAGING.name}, "reason": "proof"}
    answer = await stack.people["operator"].post("/v1/halts", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


async def _end(stack: Stack, halt_id: str) -> None:
    answer = await stack.people["operator"].delete(f"/v1/halts/{halt_id}")
    answer.raise_for_status()


async def _moment(stack: Stack, halt_id: str, which: str) -> Any:
    [halt] = await stack.rows(
        "SELECT created_at, effective_at, ended_at FROM halts WHERE id = :id", id=halt_id
    )
    return getattr(halt, which)


async def _approved(stack: Stack, ids: Sequence[str], before: datetime) -> set[str]:
    """Return those whose vote counted before this moment; one is enough here."""
    counted = """
        SELECT proposal_id FROM decisions
        WHERE proposal_id = ANY(:ids) AND status = 'applied' AND settled_at < :before"""
    return {str(row.proposal_id) for row in await stack.rows(counted, ids=list(ids), before=before)}


async def _held(stack: Stack, halt_id: str, ids: Sequence[str]) -> int:
    counting = "SELECT count(*) FROM proposals WHERE id = ANY(:ids) AND held_on = :held_on"
    [(count,)] = await stack.rows(counting, ids=list(ids), held_on=on_halt(halt_id))
    return int(count)


async def _states(stack: Stack, ids: Sequence[str]) -> list[str]:
    found = await stack.rows("SELECT state FROM proposals WHERE id = ANY(:ids)", ids=list(ids))
    return [str(row.state) for row in found]


async def _together(work: Sequence[Any]) -> list[Any]:
    """Await everything, a few at a time; the answers keep the order."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(awaited: Any) -> Any:
        async with turns:
            return await awaited

    return list(await asyncio.gather(*(one(awaited) for awaited in work)))


def _changes(stack: Stack, places: Sequence[Place]) -> list[Any]:
    return [
        call for call in stack.emulator.calls().accepted("SetNodePoolSize") if _is_at(call.target, places)
    ]


def _changed_since(stack: Stack, log_size: int, places: Sequence[Place]) -> int:
    """Count in what the log has grown by: it is asked often, and a long log takes long to read."""
    with stack.emulator.log_path.open("rb") as log:
        log.seek(log_size)
        lines = [line for line in log if line.endswith(b"\n") and b"SetNodePoolSize" in line]
    calls = [ServedCall.model_validate_json(line) for line in lines]
    return len([call for call in calls if call.accepted and _is_at(call.target, places)])


def _is_at(target: str, places: Sequence[Place]) -> bool:
    return target in {place.pool() for place in places}


@asynccontextmanager
async def halting_stack(directory: Path, found: Programs, proposals: int) -> AsyncIterator[Stack]:
    """Run a stack of its own with a cluster for each proposal of a round."""
    ground, waits = HaltGround(proposals), {"SLUICE_GKE__CALL_TIMEOUT": f"PT{CALL_TIMEOUT}S"}
    async with running_stack(directory, found, ground, **waits) as stack:
        yield stack


async def prove(directory: Path, rounds: int, proposals: int, seed: int) -> list[Round]:
    """Run the rounds on a stack of their own and say each."""
    chance, met = random.Random(seed), []  # noqa: S311  a drawn moment, no secret
    async with halting_stack(directory, programs(), proposals) as stack:
        for number in range(1, rounds + 1):
            places, first = stack.ground.places(STAGING), chance.randint(1, proposals // 2)
            one = await run_round(stack, places, 2 + number % 2, first)
            met.append(one)
            say(
                f"round {number} of {rounds}: {one.calls_before} changed before, {one.calls_under_halt} under the "
                f"halt, {one.calls_after} after it, the last after {one.seconds_to_last:.0f} s; {one.held} were held, "
                f"{one.on_their_way} were on their way when it came"
            )
    return met


def figures(met: Sequence[Round], rounds: int, proposals: int) -> tuple[Figure, ...]:
    """Return what the halts met."""
    return (
        exactly("halts", len(met), rounds),
        exactly("calls under an effective halt", sum(one.calls_under_halt for one in met), 0),
        at_least("proposals changed before each halt", min((one.calls_before for one in met), default=0), 1),
        at_least("on their way when each halt came", min((one.on_their_way for one in met), default=0), 1),
        at_least("proposals held by each halt", min((one.held for one in met), default=0), 1),
        exactly("proposals succeeded", sum(one.states["succeeded"] for one in met), rounds * proposals),
        told("changed before their halt", sum(one.calls_before for one in met)),
        told("on their way when it came", sum(one.on_their_way for one in met)),
        told("changed after its end", sum(one.calls_after for one in met)),
        told(
            "longest from the end of a halt to the last change",
            f"{max((one.seconds_to_last for one in met), default=0):.0f} s",
        ),
    )


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--proposals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    with workplace("halts") as place:
        met = asyncio.run(prove(place.directory, given.rounds, given.proposals, given.seed))
        again = f"python -m proofs.halts --rounds {given.rounds} --proposals {given.proposals} --seed {given.seed}"
        report = Report(
            promise="No covered call comes once a halt is effective, and what it held runs after it, once (I8).",
            figures=figures(met, given.rounds, given.proposals),
            faults=[
                f"round {number}: {fault}" for number, one in enumerate(met, 1) for fault in one.faults()
            ],
            again=again,
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
