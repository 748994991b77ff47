"""AUDIT: the stored tree. `audit_nodes` keeps perfect subtrees above the leaves, `audit_events` the leaves' hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Integer, LargeBinary, bindparam, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.audit import merkle
from adapters.audit.merkle import Node, Place, Span, Tree
from adapters.store.schema import audit_checkpoints, audit_events

_ADD = text(
    "insert into audit_nodes (level, position, hash) select * from unnest(:levels, :positions, :hashes)"
).bindparams(
    bindparam("levels", type_=ARRAY(Integer)),
    bindparam("positions", type_=ARRAY(BigInteger)),
    bindparam("hashes", type_=ARRAY(LargeBinary)),
)
_READ = text(
    "select n.level, n.position, n.hash from unnest(:levels, :positions) as w(level, position) "
    "join audit_nodes n on n.level = w.level and n.position = w.position "
    "union all "
    "select 0, e.number, e.leaf_hash from unnest(:levels, :positions) as w(level, position) "
    "join audit_events e on w.level = 0 and e.number = w.position"
).bindparams(bindparam("levels", type_=ARRAY(Integer)), bindparam("positions", type_=ARRAY(BigInteger)))


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed promise of what the log held, see `adapters/audit/checkpoint.py`."""

    size: int
    root_hash: bytes
    note: str
    created_at: datetime


async def size(connection: AsyncConnection) -> int:
    """Return how many events are numbered."""
    highest = (await connection.execute(select(func.max(audit_events.c.number)))).scalar_one()
    return 0 if highest is None else highest + 1


async def read_tree(connection: AsyncConnection, leaves: int) -> Tree:
    """Return the tree's right edge at a size it has or had: log2 of it rows."""
    places = merkle.subtrees(Span(0, leaves))
    nodes = await _read_nodes(connection, places)
    return Tree(leaves, [nodes[place] for place in places])


async def add_nodes(connection: AsyncConnection, nodes: Sequence[Node]) -> None:
    """Store completed subtrees. Leaves are left out: the events carry them."""
    inner = [node for node in nodes if node.place.level > 0]
    if inner:
        columns = {
            "levels": [node.place.level for node in inner],
            "positions": [node.place.position for node in inner],
            "hashes": [node.hash for node in inner],
        }
        await connection.execute(_ADD, columns)


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
    row = (
        await connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.size.desc()).limit(1))
    ).one_or_none()
    return None if row is None else StoredCheckpoint(row.size, row.root_hash, row.note, row.created_at)


async def add_checkpoint(connection: AsyncConnection, made: StoredCheckpoint) -> None:
    """Store a checkpoint."""
    await connection.execute(
        insert(audit_checkpoints).values(
            size=made.size, root_hash=made.root_hash, note=made.note, created_at=made.created_at
        )
    )


async def _prove(connection: AsyncConnection, spans: Sequence[Span]) -> list[bytes]:
    return merkle.proof(spans, await _read_nodes(connection, merkle.places_of(spans)))


async def _read_nodes(connection: AsyncConnection, places: Sequence[Place]) -> dict[Place, bytes]:
    wanted = {
        "levels": [place.level for place in places],
        "positions": [place.position for place in places],
    }
    rows = (await connection.execute(_READ, wanted)).all() if places else []
    return {Place(row.level, row.position): row.hash for row in rows}
