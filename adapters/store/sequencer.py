"""AUDIT: gives committed events their numbers, appends them to the tree and signs checkpoints.

Transactions insert events without a number, in any number of processes. Here, under one advisory lock, committed
rows are numbered densely from 0 in the order of `ordinal`, in batches of one transaction each: numbers, leaf
hashes, tree nodes, checkpoint and announcement are there together or not at all.

**Order.** `ordinal` is taken at insertion, commits come in any order, so a lower ordinal may be numbered later
than a higher one. What caused what stays in order nevertheless: whoever saw a change saw its transaction
committed, and inserted an event of his own later, with a higher ordinal. A batch whose snapshot sees the second
event therefore sees the first, with a lower ordinal, and takes it first. Events of one subject are written under
the lock of its row, hence their numbers tell their true order. (The identity sequence must keep its cache of 1.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, LargeBinary, Text, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.audit import merkle
from adapters.audit.checkpoint import CheckpointSigner
from adapters.audit.merkle import Node
from adapters.store import audit_tree
from adapters.store.advisory_locks import AdvisoryLock
from adapters.store.audit_tree import StoredCheckpoint
from adapters.store.database import Database, database_now
from adapters.store.schema import audit_events
from adapters.waking import set_within

SEQUENCED_CHANNEL = "sluice_sequenced"
"""NOTIFY channel; the payload is the highest number."""

BATCH = 1_000
CHECKPOINT_EVERY = timedelta(seconds=60)
CHECKPOINT_ENTRIES = 1_000
POLL = timedelta(seconds=1)
TOGETHER = timedelta(milliseconds=200)
"""From one batch to the next, under load: what commits meanwhile is numbered together, at the price of one round."""

_LOCK = AdvisoryLock.SEQUENCER
"""Advisory lock, apart from those of halts and migrations."""

_NUMBER = text(
    "update audit_events set number = new.number, leaf_hash = new.hash "
    "from unnest(:ids, :numbers, :hashes) as new(id, number, hash) where audit_events.id = new.id"
).bindparams(
    bindparam("ids", type_=ARRAY(Text)),
    bindparam("numbers", type_=ARRAY(BigInteger)),
    bindparam("hashes", type_=ARRAY(LargeBinary)),
)


class Sequencer:
    """Numbers events. Any number of processes may run one: the advisory lock lets one work at a time."""

    def __init__(self, database: Database, signer: CheckpointSigner, *, batch: int = BATCH) -> None:
        """Number at most `batch` events in one transaction."""
        self._database = database
        self._signer = signer
        self._batch = batch
        self._woken = asyncio.Event()

    def wake(self, _: str = "") -> None:
        """Look for new events now. Handed to `listen` for the channel `sluice_audit`."""
        self._woken.set()

    async def run(self) -> None:
        """Number events within a second of their commit, until cancelled.

        Raises:
            StoreUnavailable: the database went away. Run again.
        """
        while True:
            self._woken.clear()
            numbered = await self.advance()
            if numbered >= self._batch:
                continue
            if numbered > 0:
                await asyncio.sleep(TOGETHER.total_seconds())
            await set_within(self._woken, POLL.total_seconds())

    async def advance(self) -> int:
        """Number one batch and write a checkpoint if one is due; return how many were numbered.

        Another sequencer at work is left to it: 0. A checkpoint is due after 60 s or 1,000 entries.

        Raises:
            StoreUnavailable: the database did not answer. Nothing was numbered, or all of the batch.
        """
        async with self._database.transaction() as connection:
            taken = await connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))
            if not taken.scalar_one():
                return 0
            numbered = await self._number(connection)
            await self._checkpoint(connection, _is_due)
            return numbered

    async def checkpoint(self) -> StoredCheckpoint:
        """Number everything that is committed by now and return a checkpoint over it, on demand.

        Raises:
            StoreUnavailable: the database did not answer.
        """
        while True:
            async with self._database.transaction() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                if await self._number(connection) < self._batch:
                    return await self._checkpoint(connection, _is_behind)

    async def _number(self, connection: AsyncConnection) -> int:
        rows = (
            await connection.execute(
                select(audit_events.c.id, audit_events.c.leaf)
                .where(audit_events.c.number.is_(None))
                .order_by(audit_events.c.ordinal)
                .limit(self._batch)
            )
        ).all()
        if not rows:
            return 0
        first = await audit_tree.size(connection)
        tree = await audit_tree.read_tree(connection, first)
        hashes = [merkle.leaf_hash(row.leaf) for row in rows]
        completed: list[Node] = []
        for one in hashes:
            completed += tree.append(one)
        numbers = list(range(first, tree.size))
        columns = {"ids": [row.id for row in rows], "numbers": numbers, "hashes": hashes}
        await connection.execute(_NUMBER, columns)
        await audit_tree.add_nodes(connection, completed)
        await connection.execute(select(func.pg_notify(SEQUENCED_CHANNEL, str(numbers[-1]))))
        return len(rows)

    async def _checkpoint(
        self,
        connection: AsyncConnection,
        is_wanted: Callable[[StoredCheckpoint, int, datetime], bool],
    ) -> StoredCheckpoint:
        newest = await audit_tree.newest_checkpoint(connection)
        size, now = await audit_tree.size(connection), await database_now(connection)
        if newest is not None and not is_wanted(newest, size, now):
            return newest
        root = (await audit_tree.read_tree(connection, size)).root()
        made = StoredCheckpoint(size, root, self._signer.sign(size, root), now)
        await audit_tree.add_checkpoint(connection, made)
        return made


def _is_behind(newest: StoredCheckpoint, size: int, _: datetime) -> bool:
    return size > newest.size


def _is_due(newest: StoredCheckpoint, size: int, now: datetime) -> bool:
    waiting = size - newest.size
    return waiting >= CHECKPOINT_ENTRIES or (waiting > 0 and now - newest.created_at >= CHECKPOINT_EVERY)
