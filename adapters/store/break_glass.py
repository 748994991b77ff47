"""Break-glass grants: opened by one person, counted once a second confirmed, over at the database's clock, reviewed.

Each step is one transaction with its audit event and a notification. Whether a grant counts is never a matter of a
sweep: a pass compares `expires_at` with the clock itself. The sweep only writes down what is over already.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, halts, outbox
from adapters.store.database import database_now
from adapters.store.outbox import OutboxKind
from adapters.store.schema import break_glass, break_glass_uses, proposals
from contracts.audit import AuditType
from contracts.break_glass import BreakGlass, BreakGlassStatus, BreakGlassUse
from contracts.holds import HALT
from contracts.principal import SYSTEM, Principal
from contracts.proposal import ProposalState

_S = BreakGlassStatus
MOST_LISTED = 100


async def create(connection: AsyncConnection, grant: BreakGlass, *, tenant: str) -> None:
    """Keep a grant that waits for its second person."""
    await connection.execute(
        insert(break_glass).values(id=grant.id, tenant=tenant, opened_at=grant.opened_at, **_columns(grant))
    )
    await _tell(connection, AuditType.BREAK_GLASS_OPENED, grant, tenant, grant.opened_by)


async def lock(connection: AsyncConnection, tenant: str, grant_id: str) -> BreakGlass | None:
    """Return a grant, locked, or None."""
    return await _one(connection, _wanted(tenant, grant_id).with_for_update())


async def find(connection: AsyncConnection, tenant: str, grant_id: str) -> BreakGlass | None:
    """Return a grant as it is stored, without locking it, or None."""
    return await _one(connection, _wanted(tenant, grant_id))


def _wanted(tenant: str, grant_id: str) -> Select[Any]:
    return select(break_glass.c.document).where(break_glass.c.id == grant_id, break_glass.c.tenant == tenant)


async def _one(connection: AsyncConnection, wanted: Select[Any]) -> BreakGlass | None:
    document = (await connection.execute(wanted)).scalar_one_or_none()
    return None if document is None else BreakGlass.model_validate(document)


async def confirm(
    connection: AsyncConnection, grant: BreakGlass, second: Principal, *, tenant: str
) -> BreakGlass:
    """Make a locked grant active, and wake whatever it may let through. `second` was judged by the caller."""
    now = await database_now(connection)
    active = _changed(
        grant,
        status=_S.ACTIVE,
        confirmed_by=second,
        confirmed_at=now,
        expires_at=now + timedelta(minutes=grant.minutes),
    )
    await _keep(connection, AuditType.BREAK_GLASS_CONFIRMED, active, tenant, second)
    await _wake_covered(connection, active)
    return active


async def end(connection: AsyncConnection, grant: BreakGlass, actor: Principal, *, tenant: str) -> BreakGlass:
    """End a locked grant before its time. One that was active is reviewed; another never bypassed anything."""
    now = await database_now(connection)
    if grant.status is _S.AWAITING_SECOND:
        lapsed = _changed(grant, status=_S.LAPSED, ended_by=actor, ended_at=now)
        await _keep(connection, AuditType.BREAK_GLASS_LAPSED, lapsed, tenant, actor)
        return lapsed
    ended = _changed(grant, status=_S.REVIEW_OPEN, ended_by=actor, ended_at=now)
    await _keep(connection, AuditType.BREAK_GLASS_ENDED, ended, tenant, actor)
    return ended


async def review(
    connection: AsyncConnection, grant: BreakGlass, reviewer: Principal, words: str, *, tenant: str
) -> BreakGlass:
    """Close the review of a locked grant. `reviewer` was judged by the caller."""
    now = await database_now(connection)
    closed = _changed(grant, status=_S.REVIEWED, reviewed_by=reviewer, review=words, reviewed_at=now)
    await _keep(connection, AuditType.BREAK_GLASS_REVIEWED, closed, tenant, reviewer)
    return closed


async def settle(connection: AsyncConnection) -> int:
    """Write down which grants are over: never confirmed in time, or expired. Safe to run from several processes."""
    now = await database_now(connection)
    waiting = (break_glass.c.status == _S.AWAITING_SECOND.value) & (break_glass.c.confirm_by <= now)
    active = (break_glass.c.status == _S.ACTIVE.value) & (break_glass.c.expires_at <= now)
    found = await connection.execute(
        select(break_glass.c.tenant, break_glass.c.document)
        .where(waiting | active)
        .order_by(break_glass.c.id)
        .with_for_update(skip_locked=True)
    )
    rows = found.all()
    for row in rows:
        await end(connection, BreakGlass.model_validate(row.document), SYSTEM, tenant=row.tenant)
    return len(rows)


async def listed(
    connection: AsyncConnection, tenant: str, statuses: tuple[BreakGlassStatus, ...] = ()
) -> tuple[BreakGlass, ...]:
    """Return grants, newest first; with `statuses` only those."""
    wanted = select(break_glass.c.document).where(break_glass.c.tenant == tenant)
    if statuses:
        wanted = wanted.where(break_glass.c.status.in_([status.value for status in statuses]))
    newest = wanted.order_by(break_glass.c.opened_at.desc(), break_glass.c.id.desc()).limit(MOST_LISTED)
    return tuple(BreakGlass.model_validate(one) for one in (await connection.execute(newest)).scalars())


async def uses(connection: AsyncConnection, grant_ids: list[str]) -> Mapping[str, tuple[BreakGlassUse, ...]]:
    """Return what each of these grants let through, oldest first."""
    found = await connection.execute(
        select(break_glass_uses.c.document)
        .where(break_glass_uses.c.grant_id.in_(grant_ids))
        .order_by(break_glass_uses.c.at, break_glass_uses.c.proposal_id)
    )
    by_grant: dict[str, list[BreakGlassUse]] = {grant_id: [] for grant_id in grant_ids}
    for one in found.scalars():
        use = BreakGlassUse.model_validate(one)
        by_grant[use.grant_id].append(use)
    return {grant_id: tuple(found) for grant_id, found in by_grant.items()}


USED = (
    select(break_glass.c.document)
    .join(break_glass_uses, break_glass_uses.c.grant_id == break_glass.c.id)
    .where(
        break_glass_uses.c.proposal_id == bindparam("proposal_id"),
        break_glass_uses.c.revision == bindparam("revision"),
        break_glass_uses.c.pass_number == bindparam("pass_number"),
    )
    .order_by(break_glass.c.id)
    .with_for_update(read=True, of=break_glass)
)
"""The grants by which a pass let a proposal through. Nobody ends one of them meanwhile."""


async def count_by_status(connection: AsyncConnection) -> Mapping[str, int]:
    """Return how many grants stand in each status that is not over, for metrics. An expired one is not active."""
    effective = func.count().filter(
        break_glass.c.status == _S.ACTIVE.value, break_glass.c.expires_at > func.clock_timestamp()
    )
    waiting = func.count().filter(
        break_glass.c.status == _S.AWAITING_SECOND.value, break_glass.c.confirm_by > func.clock_timestamp()
    )
    review_due = func.count().filter(
        (break_glass.c.status == _S.REVIEW_OPEN.value)
        | ((break_glass.c.status == _S.ACTIVE.value) & (break_glass.c.expires_at <= func.clock_timestamp()))
    )
    row = (await connection.execute(select(waiting, effective, review_due).select_from(break_glass))).one()
    names = (_S.AWAITING_SECOND, _S.ACTIVE, _S.REVIEW_OPEN)
    return {status.value: int(count) for status, count in zip(names, row, strict=True)}


async def _wake_covered(connection: AsyncConnection, grant: BreakGlass) -> None:
    """Wake what waits for a gate and is covered. What a halt holds goes on waiting: no grant opens that.

    What nothing holds yet is woken, too: the pass that judges it may have asked for grants already, and hold it.
    """
    found = await connection.execute(
        select(proposals)
        .where(proposals.c.state == ProposalState.READY.value)
        .order_by(proposals.c.priority, proposals.c.created_at, proposals.c.id)
    )
    for row in found.all():
        if not (row.held_on or "").startswith(HALT) and halts.covers(grant.scope, row):
            await outbox.put(connection, OutboxKind.WAKE, row.id, {"break_glass": grant.id})


async def _keep(
    connection: AsyncConnection, kind: AuditType, grant: BreakGlass, tenant: str, actor: Principal
) -> None:
    await connection.execute(
        update(break_glass).where(break_glass.c.id == grant.id).values(**_columns(grant))
    )
    await _tell(connection, kind, grant, tenant, actor)


async def _tell(
    connection: AsyncConnection, kind: AuditType, grant: BreakGlass, tenant: str, actor: Principal
) -> None:
    event = audit_log.event(kind, tenant=tenant, subject=grant.id, actor=actor, payload=grant)
    await audit_log.append(connection, event)
    told = {
        "event": "break_glass",
        "grant_id": grant.id,
        "status": grant.status.value,
        "by": actor.spelled,
        "reason": grant.reason,
        "expires_at": _text(grant.expires_at),
    }
    await outbox.put(connection, OutboxKind.NOTIFY, grant.id, told)


def _changed(grant: BreakGlass, **changes: Any) -> BreakGlass:
    """Return a changed grant, validated: an active one without two people cannot be made."""
    return BreakGlass.model_validate(dict(grant) | changes)


def _columns(grant: BreakGlass) -> dict[str, Any]:
    return {
        "status": grant.status.value,
        "confirm_by": grant.confirm_by,
        "expires_at": grant.expires_at,
        "document": grant.model_dump(mode="json"),
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
