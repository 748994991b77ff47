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
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.audit import merkle
from adapters.audit.checkpoint import CheckpointSigner
from adapters.audit.merkle import Tree
from adapters.store import audit_tree
from adapters.store.advisory_locks import AdvisoryLock
from adapters.store.audit_tree import Standing, StoredCheckpoint
from adapters.store.database import Database
from adapters.store.driver import query
from adapters.waking import set_within
from contracts.errors import SluiceError

SEQUENCED_CHANNEL = "sluice_sequenced"
"""NOTIFY channel; the payload is the highest number."""

BATCH = 1_000
CHECKPOINT_EVERY = timedelta(seconds=60)
CHECKPOINT_ENTRIES = 1_000
POLL = timedelta(seconds=1)
"""From one round to the next where nobody wakes: notifications are lost while the listening connection is away."""
TOGETHER = timedelta(milliseconds=400)
"""From one batch to the next, under load: what commits meanwhile is numbered together, at the price of one round."""

_LOCK = AdvisoryLock.SEQUENCER
"""Advisory lock, apart from those of halts and migrations."""

_TRY = query(f"SELECT pg_try_advisory_xact_lock({_LOCK:d}) AS taken")
_WAIT = query(f"SELECT pg_advisory_xact_lock({_LOCK:d})")


class LogCutOff(SluiceError):
    """The log ends before its newest signed checkpoint: nothing more is numbered or signed over the gap."""

    reason_code = "audit_log_cut_off"


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
        """Number events until cancelled: at once where somebody wakes, and a second after the last round else.

        Raises:
            StoreUnavailable: the database went away. Run again.
        """
        while True:
            self._woken.clear()
            numbered = await self.advance()
            if numbered >= self._batch:
                continue
            rest = POLL
            if numbered > 0:
                await asyncio.sleep(TOGETHER.total_seconds())
                rest -= TOGETHER
            await set_within(self._woken, rest.total_seconds())

    async def advance(self) -> int:
        """Number one batch and write a checkpoint if one is due; return how many were numbered.

        Another sequencer at work is left to it: 0. A checkpoint is due after 60 s or 1,000 entries.

        Raises:
            StoreUnavailable: the database did not answer. Nothing was numbered, or all of the batch.
            LogCutOff: signed entries are gone.
        """
        async with self._database.transaction() as connection:
            if not (await _TRY.only_row(connection, {})).taken:
                return 0
            log = await audit_tree.standing(connection, self._batch)
            if log.is_cut_off:
                raise LogCutOff(f"{log.signed_size} audit events were signed, and {log.size} are there")
            tree = await _numbered(connection, log)
            if _is_due(log, tree.size):
                await self._sign(connection, tree, log.now)
            return len(log.unnumbered)

    async def checkpoint(self) -> StoredCheckpoint:
        """Number everything that is committed by now and return a checkpoint over it, on demand.

        Where signed entries are gone it is the newest one that there was: whoever verifies misses what it covers.

        Raises:
            StoreUnavailable: the database did not answer.
        """
        while True:
            async with self._database.transaction() as connection:
                await _WAIT.only_row(connection, {})
                log = await audit_tree.standing(connection, self._batch)
                newest = await audit_tree.newest_checkpoint(connection)
                if newest is not None and log.is_cut_off:
                    return newest
                tree = await _numbered(connection, log)
                if len(log.unnumbered) < self._batch:
                    if newest is not None and newest.size == tree.size:
                        return newest
                    return await self._sign(connection, tree, log.now)

    async def _sign(self, connection: AsyncConnection, tree: Tree, now: datetime) -> StoredCheckpoint:
        root = tree.root()
        made = StoredCheckpoint(tree.size, root, self._signer.sign(tree.size, root), now)
        await audit_tree.add_checkpoint(connection, made)
        return made


async def _numbered(connection: AsyncConnection, log: Standing) -> Tree:
    """Number what has no number yet, and announce the highest one; return the tree with it."""
    tree = await audit_tree.read_tree(connection, log.size)
    hashes = [merkle.leaf_hash(one.leaf) for one in log.unnumbered]
    completed = [node for one in hashes for node in tree.append(one)]
    if hashes:
        ids = [one.id for one in log.unnumbered]
        await audit_tree.grow(connection, log.size, ids, hashes, completed, announced_on=SEQUENCED_CHANNEL)
    return tree


def _is_due(log: Standing, size: int) -> bool:
    if log.signed_at is None:
        return True
    waiting = size - log.signed_size
    return waiting >= CHECKPOINT_ENTRIES or (waiting > 0 and log.now - log.signed_at >= CHECKPOINT_EVERY)
