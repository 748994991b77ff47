"""The path as a LangGraph with a PostgreSQL checkpointer, and a worker that picks up threads that others dropped.

`python -m benchmarks.floor.graph ADDRESSES READY_FILE`. The checkpointer keeps a state after every node (durability
`sync`). Nothing in LangGraph starts a thread again after a crash; the table `runs` is what a user would add: a worker
claims a thread for some seconds, renews the claim while it works, and takes over claims that ran out.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import asyncpg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from benchmarks.floor.addresses import Addresses
from benchmarks.floor.change import DeniedError, Gates, open_pool
from benchmarks.floor.steps import AFTERWARDS, GATES

TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    thread text PRIMARY KEY, status text NOT NULL, resume text, owner text, claimed_until timestamptz);
CREATE INDEX IF NOT EXISTS runs_by_status ON runs (status, claimed_until);
"""
CHANNEL = "graph_runs"
CLAIM = 5.0
"""Seconds that a claim lasts; renewed three times as often."""
AT_ONCE = 32
_LOOK_EVERY = 1.0
"""Seconds between two looks for claims that ran out. New work is announced."""
_CLAIMING = """
    UPDATE runs SET status = 'running', owner = $1, claimed_until = now() + $2 * interval '1 second'
    WHERE thread IN (
        SELECT thread FROM runs
        WHERE status = 'ready' OR (status = 'running' AND claimed_until < now())
        LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING thread, resume"""

_ANSWERING = """
    UPDATE runs SET resume = $2, status = CASE status WHEN 'waiting' THEN 'ready' ELSE status END
    WHERE thread = $1"""
"""Kept whatever the thread does now: it may not have come to its question yet."""
_LEAVING = """
    UPDATE runs SET owner = NULL, status = CASE WHEN $2 = 'waiting' AND resume IS NOT NULL THEN 'ready' ELSE $2 END
    WHERE thread = $1 AND owner = $3"""


class Change(TypedDict):
    """The state of a thread."""

    change_id: str


async def submit(pool: asyncpg.Pool, thread: str) -> None:
    """Have a worker begin a thread."""
    await pool.execute("INSERT INTO runs (thread, status) VALUES ($1, 'ready')", thread)
    await pool.execute("SELECT pg_notify($1, '')", CHANNEL)


async def resume(pool: asyncpg.Pool, thread: str, answer: str) -> None:
    """Have a worker go on with a thread that waits for a person."""
    await pool.execute(_ANSWERING, thread, answer)
    await pool.execute("SELECT pg_notify($1, '')", CHANNEL)


def build(gates: Gates, saver: AsyncPostgresSaver) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph: gates, a person, the gates again, the effect, a look at what came of it."""
    graph = StateGraph(Change)
    order: list[tuple[str, Callable[[Change], Awaitable[dict[str, Any]]]]] = []
    for number in (1, 2):
        order += [(f"{name}_{number}", _judging(getattr(gates, name), number)) for name in GATES]
        if number == 1:
            order.append(("approval", _approval))
    order += [(name, _doing(getattr(gates, name))) for name in AFTERWARDS]
    for name, node in order:
        graph.add_node(name, node)  # type: ignore[call-overload]
    names = [START, *(name for name, _ in order), END]
    for before, after in itertools.pairwise(names):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=saver)


async def _approval(state: Change) -> dict[str, Any]:
    interrupt({"approve": state["change_id"]})
    return {}


def _judging(gate: Callable[[str, int], Awaitable[None]], number: int) -> Callable[[Change], Any]:
    async def node(state: Change) -> dict[str, Any]:
        await gate(state["change_id"], number)
        return {}

    return node


def _doing(step: Callable[[str], Awaitable[None]]) -> Callable[[Change], Any]:
    async def node(state: Change) -> dict[str, Any]:
        await step(state["change_id"])
        return {}

    return node


@dataclass
class GraphWorker:
    """Runs threads that are ready, and those whose worker went away."""

    database: str
    pool: asyncpg.Pool
    graph: CompiledStateGraph[Any, Any, Any, Any]
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    mine: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        """Work until cancelled."""
        listening = await asyncpg.connect(self.database)
        await listening.add_listener(CHANNEL, lambda *_: self.called.set())
        renewing = asyncio.create_task(self._renew())
        try:
            while True:
                self.called.clear()
                await self._claim()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.called.wait(), _LOOK_EVERY)
        finally:
            renewing.cancel()

    async def _claim(self) -> None:
        free = AT_ONCE - len(self.mine)
        if free > 0:
            for row in await self.pool.fetch(_CLAIMING, self.name, CLAIM, free):
                self.mine[row["thread"]] = asyncio.create_task(self._run(row["thread"], row["resume"]))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(CLAIM / 3)
            if self.mine:
                await self.pool.execute(
                    "UPDATE runs SET claimed_until = now() + $2 * interval '1 second'"
                    " WHERE owner = $1 AND thread = ANY($3)",
                    self.name, CLAIM, list(self.mine),
                )  # fmt: skip

    async def _run(self, thread: str, answer: str | None) -> None:
        config: RunnableConfig = {"configurable": {"thread_id": thread}}
        try:
            before = await self.graph.aget_state(config)
            given: Any = None
            if before.created_at is None:
                given = {"change_id": thread}
            elif before.next == ("approval",) and answer is not None:
                given = Command(resume=answer)
            after = await self.graph.ainvoke(given, config, durability="sync")
            status = "waiting" if "__interrupt__" in after else "done"
            await self.pool.execute(_LEAVING, thread, status, self.name)
        except DeniedError:
            await self.pool.execute(_LEAVING, thread, "denied", self.name)
        finally:
            del self.mine[thread]
            self.called.set()


async def main(given: Addresses, ready: str) -> None:
    """Serve until ended."""
    pool = await open_pool(given.database)
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(given.database, min_size=2, max_size=10, kwargs=options) as connections:
        saver = AsyncPostgresSaver(connections)  # type: ignore[arg-type]
        await saver.setup()
        await pool.execute(TABLES)
        worker = GraphWorker(given.database, pool, build(Gates(given, pool), saver))
        await asyncio.to_thread(Path(ready).touch)
        await worker.work()


if __name__ == "__main__":
    asyncio.run(main(Addresses.parsed(sys.argv[1]), sys.argv[2]))
