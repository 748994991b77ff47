"""Runs races: proposals in batches, each followed round by round to its end, then judged by the database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.engine import Row

from adapters.store.database import Database
from adapters.store.schema import proposals
from contracts.proposal import ProposalState
from emulators.gke.log import Calls, read_calls
from proofs.judgement import records
from proofs.judgement.story import TOLD, stories
from proofs.postgres import empty
from proofs.races import ground
from proofs.races.drawing import PROCESSES, Round, chance_of, draw
from proofs.races.judges import judge
from proofs.races.racer import Answer, Answers
from proofs.report import Stopwatch

BATCH = 250
"""Proposals between two judgements; the tables are emptied after each."""
AT_ONCE = 8
"""Proposals that are raced for side by side."""
MOST_ROUNDS = 30
_ANSWERS_WITHIN = 120.0
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Tally:
    """What came of the races."""

    races: int = 0
    """Rounds in which at least two calls were under way for one proposal at the same time."""
    across: int = 0
    """Of these: rounds in which they were of different processes."""
    rounds: int = 0
    calls: int = 0
    proposals: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    effects: int = 0
    unavailable: int = 0
    deadlocks: int = 0
    faults: list[str] = field(default_factory=list)
    stories: dict[str, list[str]] = field(default_factory=dict)
    """Proposal → its events, of the first that have a fault."""


class Process:
    """A racer in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Read its answers from now on."""
        self._process = process
        self._waiting: dict[int, asyncio.Future[Answers]] = {}
        self._reading = asyncio.create_task(self._read())

    async def race(self, given: Round) -> Answers:
        """Have it make its share of a round.

        Raises:
            RuntimeError: the process ended.
        """
        if self._process.stdin is None:
            raise RuntimeError("a racer has no input")
        waiting = self._waiting[given.number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(given.model_dump_json().encode() + b"\n")
        return await asyncio.wait_for(waiting, _ANSWERS_WITHIN)

    async def _read(self) -> None:
        lines = self._process.stdout
        while lines is not None and (line := await lines.readline()):
            answers = Answers.model_validate_json(line)
            self._waiting.pop(answers.number).set_result(answers)
        for one in self._waiting.values():
            one.set_exception(RuntimeError("a racer ended"))

    async def stop(self) -> None:
        """Let it end, and wait for that."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def racers(url: str, logs: Sequence[Path], plant: str) -> AsyncIterator[list[Process]]:
    """Start the processes; stop them at the end."""
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proofs.races.racer", url, str(log), plant,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**20, cwd=ROOT,
        )
        for log in logs
    ]  # fmt: skip
    processes = [Process(one) for one in started]
    try:
        yield processes
    finally:
        for one in processes:
            await one.stop()


class Course:
    """One run."""

    def __init__(self, database: Database, processes: Sequence[Process], seed: int) -> None:
        """Nothing races yet."""
        self._database = database
        self._processes = processes
        self._seed = seed
        self._answers: dict[str, list[Answer]] = {}
        self.tally = Tally()

    async def batch(self, numbers: Sequence[int], logs: Sequence[Path]) -> None:
        """Race for some proposals, judge them, and forget them."""
        await ground.propose(self._database, self._seed, numbers)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                await self._follow(number)

        await asyncio.gather(*map(one, numbers))
        found = await records.read(self._database)
        calls = Calls(call for log in logs for call in read_calls(log))
        wrong = judge(found, calls, self._answers)
        self.tally.faults += wrong
        self.tally.stories |= stories(found, wrong, TOLD - len(self.tally.stories))
        self.tally.proposals += len(numbers)
        self.tally.ends += Counter(row.state for row in found.proposals)
        self.tally.effects += len(calls)
        self._answers.clear()
        for log in logs:
            os.truncate(log, 0)
        await empty(self._database)

    async def _follow(self, number: int) -> None:
        """Race, round after round, until the proposal has ended."""
        for place in range(MOST_ROUNDS):
            row = await self._look(number)
            state = ProposalState(row.state)
            if state.is_final:
                return
            calls = draw(chance_of(self._seed, number, place, state), state, place)
            given = Round(
                number=number,
                round=place,
                proposal_id=row.id,
                revision=row.revision,
                digest=row.digest,
                calls=calls,
            )
            self._count(row.id, await self._race(given))

    async def _race(self, given: Round) -> list[Answer]:
        shares = [
            given.model_copy(update={"calls": tuple(one for one in given.calls if one.process == place)})
            for place in range(PROCESSES)
        ]
        told = await asyncio.gather(
            *[self._processes[place].race(share) for place, share in enumerate(shares) if share.calls]
        )
        return [one for answers in told for one in answers.answers]

    def _count(self, proposal_id: str, answers: list[Answer]) -> None:
        self._answers.setdefault(proposal_id, []).extend(answers)
        tally = self.tally
        met = [
            one.call.process != other.call.process
            for place, one in enumerate(answers)
            for other in answers[place + 1 :]
            if one.began < other.ended and other.began < one.ended
        ]
        tally.rounds += 1
        tally.calls += len(answers)
        tally.races += bool(met)
        tally.across += any(met)
        tally.unavailable += sum(one.told == "unavailable" for one in answers)

    async def _look(self, number: int) -> Row[Any]:
        wanted = select(proposals).where(proposals.c.id == ground.named(number))
        async with self._database.single() as connection:
            return (await connection.execute(wanted)).one()

    async def finish(self) -> Tally:
        """Ask the database what it has seen, and return what came of all."""
        async with self._database.single() as connection:
            wanted = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            self.tally.deadlocks = (await connection.execute(wanted)).scalar_one()
        return self.tally


async def run(
    directory: Path,
    url: str,
    numbers: Iterable[Sequence[int]],
    *,
    races: int | None,
    seed: int,
    plant: str = "",
) -> Tally:
    """Race on an empty, migrated database, batch after batch, until there are enough races or no more numbers.

    The processes write the provider's calls into `directory`. A planted bug ends the run as soon as it was found.
    """
    database = Database(url, pool_size=AT_ONCE)
    logs = [directory / f"{place}.jsonl" for place in range(PROCESSES)]
    for log in logs:
        log.touch()
    try:
        async with racers(url, logs, plant) as processes:
            course, wanted = Course(database, processes, seed), races or 1
            watch = Stopwatch(wanted, "races")
            for batch in numbers:
                await course.batch(batch, logs)
                watch.at(min(course.tally.races, wanted))
                is_enough = races is not None and course.tally.races >= races
                if is_enough or (plant and course.tally.faults):
                    break
            return await course.finish()
    finally:
        await database.close()
