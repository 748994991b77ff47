"""What do open event streams cost those who decide? `make bench-streams`.

Measures `POST /v1/proposals/{id}/decisions` with and without 200 open streams, turn by turn, on one PostgreSQL.
Four processes: PostgreSQL; the API with sequencer and listener behind uvicorn, its workflow gateway a recording one;
the readers of the streams, who also write what a busy worker would; and this one, which decides and keeps time.
The database, its load and the pace of the decisions are the same in both halves of a round.

Accepted: p95 with streams is at most 1.2 times p95 without.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import httpx

from adapters.dispatch.loops import background_loops
from adapters.store import audit_log, halts
from adapters.store.database import Database
from api.server import server_for
from api.stream.feed import EventFeed, Limits
from benchmarks.postgres import OpenDatabase, fresh_database
from benchmarks.report import Bar, Chart, Result, Spread, arguments, conclude, percentile, timed_at_most, told
from contracts.audit import AuditType
from contracts.principal import SYSTEM
from tests.api.serving import decision_on, serving

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
RECEIVED_WITHIN = 60.0
"""Seconds after which a stream has lost what it has not received."""
ACCEPTED = 1.2


@dataclass(frozen=True)
class Served:
    """What the API process tells when it is ready."""

    port: int
    reader: Mapping[str, str]
    reviewer: Mapping[str, str]
    ballots: Sequence[tuple[str, Mapping[str, Any]]]
    """Proposals that wait, and the body that approves each."""


# The API's process


def serve(url: str, pipe: Connection, waiting: int) -> None:
    """Serve until told to stop, with so many proposals that wait."""
    asyncio.run(_serve(url, pipe, waiting))


async def _serve(url: str, pipe: Connection, waiting: int) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with serving(url) as api:
        loops = background_loops(api.database, api.parts.sequencer, (), halts.settle)
        ballots = []
        for _ in range(waiting):
            proposal_id = await api.propose()
            await api.observe(proposal_id)
            ballots.append((proposal_id, decision_on(await api.view(proposal_id))))
        await api.parts.sequencer.checkpoint()
        # One token reads them all here; in use each belongs to somebody else.
        api.app.state.feed = EventFeed(api.database, api.parts.tenant, Limits(per_reader=STREAMS))
        server = server_for(api.app, "127.0.0.1", 0)
        tasks = [asyncio.ensure_future(loop()) for loop in loops]
        serving_task = asyncio.create_task(server.serve(sockets=[listening]))
        port = listening.getsockname()[1]
        pipe.send(Served(port, api.headers("vera"), api.headers("ben"), ballots))
        await asyncio.to_thread(pipe.recv)
        server.should_exit = True
        await serving_task
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# The readers' process


@dataclass
class Streams:
    """Open streams and how many updates each has received."""

    writers: list[asyncio.StreamWriter]
    tasks: list[asyncio.Task[None]]
    received: list[int]
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def open(cls, count: int, served: Served) -> Streams:
        """Open them and wait for every `hello`."""
        streams = cls([], [], [0] * count)
        greeted = [asyncio.Event() for _ in range(count)]
        headers = "".join(f"{name}: {value}\r\n" for name, value in served.reader.items())
        for number in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
            streams.writers.append(writer)
            follow = streams._follow(number, reader, greeted[number])
            streams.tasks.append(asyncio.create_task(follow))
        await asyncio.gather(*(one.wait() for one in greeted))
        return streams

    async def _follow(self, number: int, reader: asyncio.StreamReader, greeted: asyncio.Event) -> None:
        while line := await reader.readline():
            if line.startswith(b"event: hello"):
                greeted.set()
            elif line.startswith(b"event: "):
                self.received[number] += 1
                self.heard.set()

    async def close(self, wanted: int) -> list[int]:
        """Close them once each has received so much, and return what each has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RECEIVED_WITHIN):
                while min(self.received) < wanted:
                    self.heard.clear()
                    await self.heard.wait()
        for writer in self.writers:
            writer.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.received


def read(url: str, served: Served, pipe: Connection, decisions: int) -> None:
    """Hold as many streams as told, 0 to close them; any other word ends it."""
    asyncio.run(_read(url, served, pipe, decisions))


async def _read(url: str, served: Served, pipe: Connection, decisions: int) -> None:
    working = asyncio.create_task(_work(url))
    streams: Streams | None = None
    while isinstance(count := await asyncio.to_thread(pipe.recv), int):
        if streams is not None:
            pipe.send(await streams.close(decisions))
            streams = None
        else:
            streams = await Streams.open(count, served)
            pipe.send(count)
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


Say = Callable[[object], Awaitable[Any]]
"""Sends a word to the readers and returns their answer."""


async def measure(
    streams: int,
    rounds: int = ROUNDS,
    decisions: int = DECISIONS,
    database: OpenDatabase = fresh_database,
) -> list[tuple[Half, Half]]:
    """Return rounds of (without, with); every second round starts with the streams."""
    context = multiprocessing.get_context("spawn")
    async with database() as url:
        to_api, at_api = context.Pipe()
        api = context.Process(target=serve, args=(url, at_api, 2 * rounds * decisions), daemon=True)
        api.start()
        served: Served = await asyncio.to_thread(to_api.recv)
        to_readers, at_readers = context.Pipe()
        readers = context.Process(target=read, args=(url, served, at_readers, decisions), daemon=True)
        readers.start()

        async def say(word: object) -> Any:
            to_readers.send(word)
            return await asyncio.to_thread(to_readers.recv)

        halves = await _rounds(streams, served, say, rounds, decisions)
        to_readers.send("end")
        to_api.send("end")
        for process in (readers, api):
            await asyncio.to_thread(process.join, 15)
        return halves


async def _rounds(
    streams: int, served: Served, say: Say, count: int, decisions: int
) -> list[tuple[Half, Half]]:
    ballots = iter(served.ballots)
    base = f"http://127.0.0.1:{served.port}"
    rounds = []
    async with httpx.AsyncClient(
        base_url=base, headers=served.reviewer, timeout=180, trust_env=False
    ) as client:

        async def without() -> Half:
            return Half(await _decide(client, ballots, decisions))

        async def with_streams() -> Half:
            await say(streams)
            latencies = await _decide(client, ballots, decisions)
            received: list[int] = await say(0)
            if not received or min(received) < decisions:
                raise RuntimeError(
                    f"streams received {min(received)} to {max(received)} updates: not measured"
                )
            return Half(latencies, sum(received))

        for number in range(count):
            if number % 2:
                streamed = await with_streams()
                rounds.append((await without(), streamed))
            else:
                rounds.append((await without(), await with_streams()))
    return rounds


async def _decide(client: httpx.AsyncClient, ballots: Any, count: int) -> list[float]:
    await asyncio.sleep(1)
    latencies = []
    for _ in range(count):
        proposal_id, body = next(ballots)
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
            "answers at once. The ratio that is judged is that of all rounds together.",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
