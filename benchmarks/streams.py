"""What do open event streams cost those who decide? `make bench-streams`.

Measures `POST /v1/proposals/{id}/decisions` with and without 200 open streams, turn by turn, on one PostgreSQL.
Four processes: PostgreSQL; the API with sequencer and listener behind uvicorn, its workflow gateway a recording one;
the readers of the streams, who also write what a busy worker would; and this one, which decides and keeps time.
The database, its load and the pace of the decisions are the same in both halves of a round.

Accepted: p95 with streams is at most 1.2 times p95 without.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.dispatch.loops import background_loops
from adapters.store import audit_log, halts
from adapters.store.database import Database
from api.stream.feed import EventFeed, Limits
from benchmarks.postgres import OpenDatabase, fresh_database
from benchmarks.processes import END, Beside, beside, served
from benchmarks.report import Bar, Chart, Result, Spread, arguments, conclude, percentile, timed_at_most, told
from contracts.audit import AuditType
from contracts.principal import SYSTEM
from tests.api.serving import Api, decision_on

STREAMS = 200
ROUNDS = 10
DECISIONS = 40
"""In each half of a round."""
PAUSE = 0.02
"""Seconds between an answer and the next decision."""
WORKER_EVENTS = 4
"""Audit events of one transaction of the pretended worker…"""
WORKER_PAUSE = 0.2
"""…and the seconds between two of them."""
OPEN_WITHIN = 60.0
"""Seconds in which every stream says hello."""
TOLD_WITHIN = 10.0
"""Seconds after the last decision in which every stream has told of each."""
ACCEPTED = 1.2

Ballot = tuple[str, Mapping[str, Any]]
"""A proposal that waits, and the body that approves it."""


@dataclass(frozen=True)
class Known:
    """What the API's process has to tell."""

    reader: Mapping[str, str]
    reviewer: Mapping[str, str]
    ballots: Sequence[Ballot]


# The API's process


@asynccontextmanager
async def waiting(api: Api, count: int) -> AsyncIterator[Known]:
    """Have so many proposals wait, and run the API's loops meanwhile."""
    loops = background_loops(api.database, api.parts.sequencer, (), halts.settle)
    ballots = []
    for _ in range(count):
        view = await api.waiting()
        ballots.append((view["id"], decision_on(view)))
    await api.parts.sequencer.checkpoint()
    # One token reads them all here; in use each belongs to somebody else.
    api.app.state.feed = EventFeed(api.database, api.parts.tenant, Limits(per_reader=STREAMS))
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield Known(api.headers("vera"), api.headers("ben"), ballots)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# The readers' process


@dataclass
class Streams:
    """Open streams, and of which decisions each has told."""

    writers: list[asyncio.StreamWriter]
    tasks: list[asyncio.Task[None]]
    told: list[set[str]]
    """The proposals that were decided on, by stream."""
    updates: int = 0
    """Of all streams, those of the worker's events among them."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def open(cls, count: int, address: str, headers: Mapping[str, str]) -> Streams:
        """Open them and wait for every `hello`."""
        streams = cls([], [], [set() for _ in range(count)])
        greeted = [asyncio.Event() for _ in range(count)]
        api = urlsplit(address)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        for number in range(count):
            reader, writer = await asyncio.open_connection(api.hostname, api.port)
            writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: {api.hostname}\r\n{lines}\r\n".encode())
            streams.writers.append(writer)
            follow = streams._follow(number, reader, greeted[number])
            streams.tasks.append(asyncio.create_task(follow))
        async with asyncio.timeout(OPEN_WITHIN):
            await asyncio.gather(*(one.wait() for one in greeted))
        return streams

    async def _follow(self, number: int, reader: asyncio.StreamReader, greeted: asyncio.Event) -> None:
        while line := await reader.readline():
            if line.startswith(b"event: hello"):
                greeted.set()
            elif line.startswith(b"event: "):
                self.updates += 1
            elif line.startswith(b"data: ") and b'"decision.recorded"' in line:
                self.told[number].add(json.loads(line.removeprefix(b"data: "))["subject"])
                self.heard.set()

    async def close(self, decided: Collection[str]) -> int:
        """Close them once each has told of these decisions, and return how many have not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_WITHIN):
                while self._lacking(decided):
                    self.heard.clear()
                    await self.heard.wait()
        for writer in self.writers:
            writer.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self._lacking(decided)

    def _lacking(self, decided: Collection[str]) -> int:
        return sum(not told.issuperset(decided) for told in self.told)


def read(pipe: Connection, url: str, address: str, headers: Mapping[str, str]) -> None:
    """Open as many streams as told, close them at the decisions that they must have told of, and so on."""
    asyncio.run(_read(pipe, url, address, headers))


async def _read(pipe: Connection, url: str, address: str, headers: Mapping[str, str]) -> None:
    working = asyncio.create_task(_work(url))
    while (count := await asyncio.to_thread(pipe.recv)) != END:
        streams = await Streams.open(count, address, headers)
        pipe.send(count)
        lacking = await streams.close(await asyncio.to_thread(pipe.recv))
        pipe.send((streams.updates, lacking))
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def _work(url: str) -> None:
    database = Database(url, pool_size=1)
    try:
        while True:
            async with database.transaction() as connection:
                events = [
                    audit_log.event(
                        AuditType.PROPOSAL_MOVED,
                        tenant="default",
                        subject="prp_of_the_worker",
                        actor=SYSTEM,
                        payload={"to": "executing", "facts": {"filler": "x" * 2_000}},
                    )
                    for _ in range(WORKER_EVENTS)
                ]
                await audit_log.append(connection, *events)
            await asyncio.sleep(WORKER_PAUSE)
    finally:
        await database.close()


# This process: decides and keeps time


@dataclass(frozen=True)
class Half:
    """One half of a round: latencies in milliseconds, and updates received by all streams."""

    latencies: list[float]
    received: int = 0


async def measure(
    streams: int,
    rounds: int = ROUNDS,
    decisions: int = DECISIONS,
    database: OpenDatabase = fresh_database,
) -> list[tuple[Half, Half]]:
    """Return rounds of (without, with); every second round starts with the streams."""
    async with (
        database() as url,
        served(url, waiting, 2 * rounds * decisions) as (address, known),
        beside("the readers", read, url, address, known.reader) as readers,
        httpx.AsyncClient(base_url=address, headers=known.reviewer, timeout=180, trust_env=False) as client,
    ):
        return await in_turns(streams, client, iter(known.ballots), readers, rounds, decisions)


async def in_turns(
    streams: int,
    client: httpx.AsyncClient,
    ballots: Iterator[Ballot],
    readers: Beside,
    count: int,
    decisions: int,
) -> list[tuple[Half, Half]]:
    """Decide without and with the streams, turn by turn.

    Raises:
        RuntimeError: a stream did not tell of every decision.
    """

    async def without() -> Half:
        return Half(await _decide(client, list(islice(ballots, decisions))))

    async def with_streams() -> Half:
        chosen = list(islice(ballots, decisions))
        await readers.answer(streams)
        latencies = await _decide(client, chosen)
        updates, lacking = await readers.answer([proposal_id for proposal_id, _ in chosen])
        if lacking:
            raise RuntimeError(f"{lacking} streams did not tell of every decision: not measured")
        return Half(latencies, updates)

    rounds = []
    for number in range(count):
        if number % 2:
            streamed = await with_streams()
            rounds.append((await without(), streamed))
        else:
            rounds.append((await without(), await with_streams()))
    return rounds


async def _decide(client: httpx.AsyncClient, ballots: Sequence[Ballot]) -> list[float]:
    await asyncio.sleep(1)
    latencies = []
    for proposal_id, body in ballots:
        began = time.perf_counter()
        answer = await client.post(f"/v1/proposals/{proposal_id}/decisions", json=body)
        latencies.append(1_000 * (time.perf_counter() - began))
        answer.raise_for_status()
        await asyncio.sleep(PAUSE)
    return latencies


def report(rounds: Sequence[tuple[Half, Half]]) -> str:
    """Return every round, and all of them together."""
    lines = [f"{'round':>8} {'p50 ms':>16} {'p95 ms':>16} {'ratio':>7}   updates"]
    for number, (without, streamed) in enumerate(rounds, start=1):
        lines.append(_line(str(number), without.latencies, streamed.latencies, streamed.received))
    plain = [one for without, _ in rounds for one in without.latencies]
    busy = [one for _, streamed in rounds for one in streamed.latencies]
    lines.append(_line("all", plain, busy, sum(streamed.received for _, streamed in rounds)))
    return "\n".join(lines)


def _line(name: str, plain: Sequence[float], busy: Sequence[float], received: int) -> str:
    medians = f"{percentile(plain, 0.5):.1f} → {percentile(busy, 0.5):.1f}"
    tails = f"{percentile(plain, 0.95):.1f} → {percentile(busy, 0.95):.1f}"
    ratio = percentile(busy, 0.95) / percentile(plain, 0.95)
    return f"{name:>8} {medians:>16} {tails:>16} {ratio:>7.2f}   {received}"


def main() -> int:
    """Run from the command line."""
    parser = arguments(__doc__, quick="one round with 20 streams")
    given = parser.parse_args()
    streams, count = (20, 1) if given.quick else (STREAMS, ROUNDS)
    began = time.monotonic()
    rounds = asyncio.run(measure(streams, count))
    print(report(rounds))
    again = "python -m benchmarks.streams" + (" --quick" if given.quick else "")
    return conclude(result(rounds, streams, again, time.monotonic() - began), given)


def result(rounds: Sequence[tuple[Half, Half]], streams: int, again: str, seconds: float) -> Result:
    """Return what is published."""
    ratios = [percentile(busy.latencies, 0.95) / percentile(plain.latencies, 0.95) for plain, busy in rounds]
    plain = [one for without, _ in rounds for one in without.latencies]
    busy = [one for _, streamed in rounds for one in streamed.latencies]
    bars = [
        Bar(f"{name}, {share:.0%}", Spread.of([percentile(half.latencies, share) for half in halves]))
        for share in (0.5, 0.95)
        for name, halves in (
            ("without streams", [without for without, _ in rounds]),
            (f"{streams} streams", [streamed for _, streamed in rounds]),
        )
    ]
    return Result(
        promise="What do open event streams cost those who decide?",
        figures=(
            timed_at_most(
                f"p95 of a decision with {streams} streams ÷ without",
                percentile(busy, 0.95) / percentile(plain, 0.95), ACCEPTED, "×",
            ),
            told("the same, round by round", Spread.of(ratios).text("×")),
            told("p95 without, with", f"{percentile(plain, 0.95):.1f} ms, {percentile(busy, 0.95):.1f} ms"),
        ),
        again=again,
        seconds=seconds,
        charts=(Chart("decisions", "Time of a decision, by round", "ms", bars),),
        notes=(
            "A decision is a request to the API, which commits it; the API's way to Temporal is a stand-in that "
            "answers at once. The ratio that is judged is that of all rounds together. Each stream told of every "
            f"decision at most {TOLD_WITHIN:.0f} s after the last one.",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
