"""AUDIT, reading side for people: numbered events by type, subject, actor and time, in either direction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Select, exists, func, or_, select, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import audit_events, proposals
from contracts.audit import AuditType

_Selected = TypeVar("_Selected", bound=Select[*tuple[Any, ...]])
_ACTORS = text(
    # A loose index scan: one descent of `ix_audit_events_by_actor` per actor, however many events each has.
    "with recursive found(actor) as ("
    "  (select min(actor) from audit_events where tenant = :tenant)"
    "  union all"
    "  select (select min(actor) from audit_events where tenant = :tenant and actor > found.actor)"
    "  from found where found.actor is not null"
    ") select actor from found where actor is not null limit :limit"
)


class Order(StrEnum):
    """Which way a page runs."""

    OLDEST = "oldest"
    """By rising number: the order of the tree."""
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events. What is not given narrows nothing."""

    types: tuple[AuditType, ...] = ()
    subject: str | None = None
    actor: str | None = None
    """`issuer/subject`."""
    since: datetime | None = None
    """The first moment that counts."""
    until: datetime | None = None
    """The first moment that counts no more."""
    place: str | None = None
    """An environment, or a part of a target's key: events about the proposals and breakers there."""


async def search(
    connection: AsyncConnection,
    tenant: str,
    wanted: Wanted,
    *,
    after: int | None = None,
    before: int | None = None,
    order: Order,
    limit: int,
) -> Sequence[Row[Any, Any, Any]]:
    """Return up to `limit` rows (number, leaf, leaf_hash) with `after` < number < `before`."""
    number = audit_events.c.number
    found = (
        select(number, audit_events.c.leaf, audit_events.c.leaf_hash)
        .where(audit_events.c.tenant == tenant, number.is_not(None))
        .order_by(number if order is Order.OLDEST else number.desc())
        .limit(limit)
    )
    if after is not None:
        found = found.where(number > after)
    if before is not None:
        found = found.where(number < before)
    return (await connection.execute(_narrowed(found, wanted))).all()


async def find(connection: AsyncConnection, tenant: str, number: int) -> Row[Any, Any, Any] | None:
    """Return one row (number, leaf, leaf_hash), or None."""
    columns = audit_events.c
    found = select(columns.number, columns.leaf, columns.leaf_hash)
    found = found.where(columns.tenant == tenant, columns.number == number)
    return (await connection.execute(found)).one_or_none()


async def count_newer(
    connection: AsyncConnection, tenant: str, wanted: Wanted, *, after: int, limit: int
) -> int:
    """Return how many events have a number above `after`; `limit` stands for that many or more."""
    number = audit_events.c.number
    newer = select(number).where(audit_events.c.tenant == tenant, number > after).limit(limit)
    counted = select(func.count()).select_from(_narrowed(newer, wanted).subquery())
    return int((await connection.execute(counted)).scalar_one())


async def proposals_of(
    connection: AsyncConnection, tenant: str, subjects: Collection[str]
) -> Sequence[Row[Any, Any, Any]]:
    """Return id, action and environment of those subjects that are proposals."""
    columns = proposals.c
    found = select(columns.id, columns.draft["action"].label("action"), columns.environment)
    found = found.where(columns.tenant == tenant, columns.id.in_(subjects))
    return (await connection.execute(found)).all()


async def actors(connection: AsyncConnection, tenant: str, limit: int) -> list[str]:
    """Return who acted, as `issuer/subject`, by name."""
    return list((await connection.execute(_ACTORS, {"tenant": tenant, "limit": limit})).scalars())


async def about(
    connection: AsyncConnection, tenant: str, subjects: Sequence[str], limit: int
) -> Sequence[Row[Any, Any]]:
    """Return up to `limit` rows (number, leaf) about any of the subjects, in the order they were written.

    `number` is None for what was committed within the last second.
    """
    found = (
        select(audit_events.c.number, audit_events.c.leaf)
        .where(audit_events.c.tenant == tenant, audit_events.c.subject.in_(subjects))
        .order_by(audit_events.c.ordinal)
        .limit(limit)
    )
    return (await connection.execute(found)).all()


def _narrowed(found: _Selected, wanted: Wanted) -> _Selected:
    columns = audit_events.c
    if wanted.types:
        found = found.where(columns.type.in_([one.value for one in wanted.types]))
    if wanted.subject is not None:
        found = found.where(columns.subject == wanted.subject)
    if wanted.actor is not None:
        found = found.where(columns.actor == wanted.actor)
    if wanted.since is not None:
        found = found.where(columns.created_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(columns.created_at < wanted.until)
    if wanted.place is not None:
        there = or_(
            proposals.c.environment == wanted.place,
            proposals.c.target_key.contains(wanted.place, autoescape=True),
        )
        of_proposal = exists().where(proposals.c.id == columns.subject, there)
        of_breaker = columns.subject.startswith("target:") & columns.subject.contains(
            wanted.place, autoescape=True
        )
        found = found.where(of_proposal | of_breaker)
    return found
