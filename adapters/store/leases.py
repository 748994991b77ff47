"""EXECUTION's exclusion: one owner per serialisation domain of the provider, and a fence that only ever rises.

A lease has no time limit. It is freed when its proposal closes or is held, or by an operator's `resolve`. What no
clock can take away cannot be taken from somebody who is merely slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, ColumnElement, bindparam, case, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, outbox
from adapters.store.batch import Batch
from adapters.store.driver import Query, fixed
from adapters.store.schema import leases, proposals
from adapters.store.writes import Write
from contracts.audit import AuditEvent, AuditType
from contracts.errors import StaleFence
from contracts.principal import SYSTEM


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """The right of one attempt to act."""

    fence: int
    """Higher than that of every earlier attempt."""
    wait_until: datetime | None
    """A call of an earlier attempt may be in flight until then: wait it out, then read before acting."""


def taken_event(domain: str, owner: str, tenant: str) -> AuditEvent:
    """Return the audit event of a lease that got an owner."""
    return audit_log.event(
        AuditType.LEASE_TAKEN,
        tenant=tenant,
        subject=owner,
        actor=SYSTEM,
        payload={"domain": domain, "owner": owner},
    )


_TAKE = """
    UPDATE leases SET owner = {owner}, taken_at = clock_timestamp()
    WHERE domain = {domain} AND (owner IS NULL OR owner = {owner})"""


def taking(domain: str, owner: str) -> Write:
    """Return the write that gives a lease, which the caller has locked and found free, to its owner."""
    return Write(_TAKE, {"domain": domain, "owner": owner})


def _releasing() -> Query:
    domain: BindParameter[str] = bindparam("domain")
    owner: BindParameter[str] = bindparam("owned_by")
    tenant = select(proposals.c.tenant).where(proposals.c.id == owner).scalar_subquery()
    return fixed(
        update(leases)
        .where(leases.c.domain == domain, leases.c.owner == owner)
        .values(owner=None, taken_at=None)
        .returning(func.coalesce(tenant, "default").label("tenant"))
    )


_RELEASE = _releasing()


async def release(connection: AsyncConnection, domain: str, owner: str) -> bool:
    """Free the lease if this proposal owns it, and wake the next proposal it holds. False when it does not.

    The call deadline stays: a successor still waits out what may be in flight.
    """
    batch = Batch()
    freed = await free(connection, batch, domain, owner)
    await batch.send(connection)
    return freed


async def free(connection: AsyncConnection, batch: Batch, domain: str, owner: str) -> bool:
    """Do what `release` does: lock and free the lease now, in its place in the order of locks; add the rest.

    Whom it held is found when the batch is sent: who was under way to be held has committed by then.
    """
    freed = await _RELEASE.first_row(connection, {"domain": domain, "owned_by": owner})
    if freed is None:
        return False
    event = audit_log.event(
        AuditType.LEASE_RELEASED,
        tenant=freed.tenant,
        subject=owner,
        actor=SYSTEM,
        payload={"domain": domain, "owner": owner},
    )
    batch.audit(event)
    batch.put(outbox.waking(domain))
    return True


LONGEST_CALL = timedelta(minutes=2)
"""No call deadline is set further ahead: one that seems to be was set before the database's clock went back."""
_LONGEST: ColumnElement[timedelta] = literal_column(f"interval '{LONGEST_CALL.total_seconds():.0f} seconds'")


def _raising() -> Query:
    domain: BindParameter[str] = bindparam("domain")
    owner: BindParameter[str] = bindparam("owned_by")
    call_deadline = bindparam("call_deadline", type_=leases.c.call_deadline.type)
    before = select(leases).where(leases.c.domain == domain).with_for_update().cte("before")
    furthest = func.clock_timestamp() + _LONGEST
    older = case((before.c.call_deadline > furthest, furthest), else_=before.c.call_deadline)
    return fixed(
        update(leases)
        .where(leases.c.domain == before.c.domain, before.c.owner == owner)
        .values(
            fence=before.c.fence + 1,
            call_deadline=func.greatest(older, call_deadline),
        )
        .returning(leases.c.fence, older.label("older"), func.clock_timestamp().label("now"))
    )


_RAISE = _raising()


async def raise_fence(
    connection: AsyncConnection, domain: str, owner: str, call_deadline: datetime
) -> LeaseGrant:
    """Raise the fence for a new attempt of the lease's owner, and record its call deadline.

    Raises:
        StaleFence: this proposal does not own the lease.
    """
    given = {"domain": domain, "owned_by": owner, "call_deadline": call_deadline}
    row = await _RAISE.first_row(connection, given)
    if row is None:
        raise StaleFence(f"{owner} does not hold the lease on {domain}")
    in_flight = row.older is not None and row.older > row.now
    return LeaseGrant(fence=row.fence, wait_until=row.older if in_flight else None)


async def owner_of(connection: AsyncConnection, domain: str) -> str | None:
    """Return the proposal that owns the lease, or None."""
    found = await connection.execute(select(leases.c.owner).where(leases.c.domain == domain))
    return found.scalar_one_or_none()
