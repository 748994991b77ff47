"""AUDIT: the stored tree. `audit_nodes` keeps perfect subtrees above the leaves, `audit_events` the leaves' hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Integer, LargeBinary, Select, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.audit import merkle
from adapters.audit.merkle import Node, Place, Span, Tree
from adapters.store.driver import Record, query
from adapters.store.schema import audit_checkpoints

# The log is read before anything is joined to it: what it holds is repeated in each row, and is small.
_STANDING = query("""
    SELECT log.*, e.id, e.leaf
    FROM (
        SELECT coalesce((SELECT max(number) + 1 FROM audit_events), 0) AS size, clock_timestamp() AS now,
            c.size AS signed_size, c.created_at AS signed_at
        FROM (SELECT) AS one
        LEFT JOIN (SELECT size, created_at FROM audit_checkpoints ORDER BY size DESC LIMIT 1) AS c ON true
    ) AS log
    LEFT JOIN (
        SELECT id, leaf, ordinal FROM audit_events WHERE number IS NULL ORDER BY ordinal LIMIT :most
    ) AS e ON true
    ORDER BY e.ordinal""")
_GROW = query(
    """
    WITH numbered AS (
        UPDATE audit_events e SET number = :size + new.place - 1, leaf_hash = new.hash
        FROM unnest(:ids, :hashes) WITH ORDINALITY AS new (id, hash, place)
        WHERE e.id = new.id
        RETURNING number
    ), completed AS (
        INSERT INTO audit_nodes (level, position, hash)
        SELECT * FROM unnest(:levels, :positions, :node_hashes)
    )
    SELECT pg_notify(:channel, CAST(max(number) AS text)) FROM numbered""",
    {
        "ids": ARRAY(Text),
        "hashes": ARRAY(LargeBinary),
        "size": BigInteger(),
        "levels": ARRAY(Integer),
        "positions": ARRAY(BigInteger),
        "node_hashes": ARRAY(LargeBinary),
        "channel": Text(),
    },
)
_READ = query(
    """
    SELECT n.level, n.position, n.hash FROM unnest(:levels, :positions) AS w (level, position)
    JOIN audit_nodes n ON n.level = w.level AND n.position = w.position
    UNION ALL
    SELECT 0, e.number, e.leaf_hash FROM unnest(:levels, :positions) AS w (level, position)
    JOIN audit_events e ON w.level = 0 AND e.number = w.position""",
    {"levels": ARRAY(Integer), "positions": ARRAY(BigInteger)},
)


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed promise of what the log held, see `adapters/audit/checkpoint.py`."""

    size: int
    root_hash: bytes
    note: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """The log as its sequencer finds it."""

    size: int
    """How many events are numbered."""
    unnumbered: tuple[Record, ...]
    """`id` and `leaf` of those to be numbered next, in their order."""
    signed_size: int
    signed_at: datetime | None
    """Of the newest checkpoint; None before the first."""
    now: datetime

    @property
    def is_cut_off(self) -> bool:
        """True when entries are gone that a checkpoint was signed over."""
        return self.size < self.signed_size


async def standing(connection: AsyncConnection, most: int) -> Standing:
    """Return where the log stands, with at most so many of the events that have no number."""
    rows = await _STANDING.rows(connection, {"most": most})
    first = rows[0]
    unnumbered = tuple(one for one in rows if one.id is not None)
    return Standing(first.size, unnumbered, first.signed_size or 0, first.signed_at, first.now)


async def read_tree(connection: AsyncConnection, leaves: int) -> Tree:
    """Return the tree's right edge at a size it has or had: log2 of it rows."""
    places = merkle.subtrees(Span(0, leaves))
    nodes = await _read_nodes(connection, places)
    return Tree(leaves, [nodes[place] for place in places])


async def grow(
    connection: AsyncConnection,
    size: int,
    ids: Sequence[str],
    hashes: Sequence[bytes],
    completed: Sequence[Node],
    *,
    announced_on: str,
) -> None:
    """Number these events from `size` on, store the subtrees that they complete, and announce the highest number.

    Subtrees of one leaf are left out: the events carry them.
    """
    inner = [node for node in completed if node.place.level > 0]
    values = {
        "ids": ids,
        "hashes": hashes,
        "size": size,
        "levels": [node.place.level for node in inner],
        "positions": [node.place.position for node in inner],
        "node_hashes": [node.hash for node in inner],
        "channel": announced_on,
    }
    await _GROW.only_row(connection, values)


async def prove_inclusion(connection: AsyncConnection, number: int, leaves: int) -> list[bytes]:
    """Return the inclusion proof of an event in the tree of that size (RFC 6962 §2.1.1).

    Raises:
        ValueError: the tree of that size has no such event.
        KeyError: the tree never had that size.
    """
    return await _prove(connection, merkle.inclusion_spans(number, leaves))


async def prove_consistency(connection: AsyncConnection, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of size `new` begins with the one of size `old` (RFC 6962 §2.1.2).

    Raises:
        ValueError: not 0 < old <= new.
        KeyError: the tree never had that size.
    """
    return await _prove(connection, merkle.consistency_spans(old, new))


async def newest_checkpoint(connection: AsyncConnection) -> StoredCheckpoint | None:
    """Return the checkpoint over the most entries."""
    newest = select(audit_checkpoints).order_by(audit_checkpoints.c.size.desc()).limit(1)
    return await _checkpoint(connection, newest)


async def checkpoint_over(connection: AsyncConnection, size: int) -> StoredCheckpoint | None:
    """Return the checkpoint over so many entries, where one was signed."""
    return await _checkpoint(connection, select(audit_checkpoints).where(audit_checkpoints.c.size == size))


async def add_checkpoint(connection: AsyncConnection, made: StoredCheckpoint) -> None:
    """Store a checkpoint."""
    await connection.execute(
        insert(audit_checkpoints).values(
            size=made.size, root_hash=made.root_hash, note=made.note, created_at=made.created_at
        )
    )


async def _checkpoint(connection: AsyncConnection, wanted: Select[Any]) -> StoredCheckpoint | None:
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else StoredCheckpoint(row.size, row.root_hash, row.note, row.created_at)


async def _prove(connection: AsyncConnection, spans: Sequence[Span]) -> list[bytes]:
    return merkle.proof(spans, await _read_nodes(connection, merkle.places_of(spans)))


async def _read_nodes(connection: AsyncConnection, places: Sequence[Place]) -> dict[Place, bytes]:
    wanted = {
        "levels": [place.level for place in places],
        "positions": [place.position for place in places],
    }
    rows = await _READ.rows(connection, wanted) if places else []
    return {Place(row.level, row.position): row.hash for row in rows}
