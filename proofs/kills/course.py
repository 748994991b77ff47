"""One course of kills from the start of a stack to the judgement over everything that was left behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contracts.audit import AuditType
from contracts.proposal import ProposalState
from emulators.gke.log import ServedCall
from proofs.judgement import effects
from proofs.judgement.records import Records
from proofs.judgement.story import stories
from proofs.judgement.whole import judge
from proofs.kills.killing import Kill, Killer
from proofs.kills.resuming import slowest
from proofs.kills.traffic import OPERATION_SECONDS, Crew, KillGround, Taken
from proofs.kills.watch import Watcher
from proofs.report import say
from tests.e2e.stack import Programs, Stack, eventually, running_stack

REST_WITHIN = 180.0
COMMAND = "proofs.kills.up"


@dataclass(frozen=True)
class Plan:
    """What is to be killed how often."""

    workers: int
    others: int
    crew: int
    seed: int
    within: float
    """Seconds in which what a kill caught must go on."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    killer: Killer
    taken: Taken
    slowest: float
    """Seconds until what a kill had caught went on."""
    slowest_one: str
    """What that was, and where."""
    verdicts: dict[str, list[str]]
    """Invariant → what breaks it."""
    stories: dict[str, list[str]]
    """Proposal or request → its steps and the kills that met it, of the first that have a fault."""
    ends: str
    """Of proposals, in words."""
    effects: int
    rolled_back: int
    worded: int
    """Proposals that came of requests."""
    is_at_rest: bool
    """Whether all had ended, and everybody had their answers, before it was judged."""


async def run(plan: Plan, programs: Programs, directory: Path) -> Outcome:
    """Run a stack in `directory`, kill its parts under load, and judge."""
    chance = random.Random(plan.seed)  # noqa: S311  drawn moments, no secret
    ground = KillGround(plan.crew)
    async with running_stack(directory, programs, ground, command=COMMAND) as stack:
        await stack.admin.settings(operation=OPERATION_SECONDS)
        watcher = Watcher(stack.database_url.replace("+asyncpg", "", 1), served(stack.emulator.log_path))
        crew = Crew(stack, watcher, plan.crew, random.Random(plan.seed + 1))  # noqa: S311
        killer = Killer(stack, watcher, chance, plan.within)
        is_at_rest = False
        async with watcher.watching():
            working = asyncio.create_task(crew.work())
            killing = asyncio.create_task(_kill(killer, plan))
            try:
                await asyncio.wait({working, killing}, return_when=asyncio.FIRST_COMPLETED)
                crew.stopping.set()
                await killing
                # What does not come to rest is judged as it stands.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(working, REST_WITHIN)
                    await eventually(lambda: _is_at_rest(watcher), limit=REST_WITHIN)
                    is_at_rest = True
                say(f"{len(watcher.view.points)} proposals and requests are still open")
            finally:
                working.cancel()
                killing.cancel()
                await asyncio.gather(working, killing, return_exceptions=True)
        return await _judge(stack, killer, crew.taken, is_at_rest=is_at_rest)


async def _kill(killer: Killer, plan: Plan) -> None:
    await killer.kill_workers(plan.workers)
    for part in ("temporal", "postgres", "api"):
        await killer.kill_others(part, plan.others)


async def _is_at_rest(watcher: Watcher) -> bool:
    return not watcher.view.points


async def _judge(stack: Stack, killer: Killer, taken: Taken, *, is_at_rest: bool) -> Outcome:
    found = await judge(stack, taken.proposals, taken.requests, taken.votes)
    longest, whose, stuck = slowest(killer.kills, _written(found.records), _ended(found.records))
    verdicts = found.verdicts | {"I4": found.verdicts["I4"] + stuck}
    told = stories(found.records, [one for several in verdicts.values() for one in several])
    return Outcome(
        killer=killer,
        taken=taken,
        slowest=longest,
        slowest_one=whose,
        verdicts=verdicts,
        stories={subject: sorted([*steps, *met(killer.kills, subject)]) for subject, steps in told.items()},
        ends=found.ends,
        effects=len(effects.effects(found.calls)),
        rolled_back=sum(row.state == ProposalState.ROLLED_BACK for row in found.records.proposals),
        worded=sum(row.request_id is not None for row in found.records.proposals),
        is_at_rest=is_at_rest,
    )


def met(kills: Sequence[Kill], subject: str) -> list[str]:
    """Return the kills that met something open, each as a step of its story."""
    return [
        f"{one.at:%H:%M:%S.%f} the kill of {one.part} meets it at «{one.caught[subject]}»"
        for one in kills
        if subject in one.caught
    ]


def _ended(records: Records) -> set[str]:
    return {row.id for row in (*records.proposals, *records.requests) if row.closed_at is not None}


def _written(records: Records) -> dict[str, list[datetime]]:
    moments = defaultdict(list)
    for event in records.events:
        # A vote that is taken is not the worker's work.
        if event.type is not AuditType.DECISION_RECORDED:
            moments[event.subject].append(event.at)
    return {subject: sorted(found) for subject, found in moments.items()}


def served(path: Path) -> CallReader:
    """Return what yields the calls that a log got since it was last asked."""
    return CallReader(path)


@dataclass
class CallReader:
    """Reads a growing log from where it ended last time."""

    path: Path
    offset: int = 0

    def __call__(self) -> Iterator[ServedCall]:
        """Yield the whole lines that are new."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            whole, _, _ = file.read().rpartition(b"\n")
        self.offset += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            yield ServedCall.model_validate_json(line)
