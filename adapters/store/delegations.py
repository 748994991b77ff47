"""APPROVAL: who decides for whom, and until when. The database's clock says what is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.last_seen import last_seen
from adapters.store.schema import delegations, sessions, tokens
from contracts.audit import AuditType
from contracts.delegation import Delegation, as_held
from contracts.eligibility import Voter, voter
from contracts.principal import Principal, pair_of

MOST_IN_FORCE = 100
"""Delegations to one person. No more are made; should there be more all the same, none of them counts."""
MOST_LISTED = 200
_log = structlog.get_logger(__name__)


class StoredDelegation(NamedTuple):
    """A delegation, and what became of it."""

    delegation: Delegation
    revoked_at: datetime | None
    revoked_by: str | None
    lends: bool = True
    """Whether its delegator still holds a role that it lends."""


async def create(connection: AsyncConnection, delegation: Delegation) -> None:
    """Store a delegation with its audit event."""
    await connection.execute(
        insert(delegations).values(
            id=delegation.id,
            tenant=delegation.tenant,
            delegator=_name(delegation.delegator),
            delegate=_name(delegation.delegate),
            starts_at=delegation.starts_at,
            until=delegation.until,
            document=delegation.model_dump(mode="json"),
        )
    )
    created = audit_log.event(
        AuditType.DELEGATION_CREATED,
        tenant=delegation.tenant,
        subject=delegation.id,
        actor=delegation.created_by,
        payload=delegation,
    )
    await audit_log.append(connection, created)


async def revoke(connection: AsyncConnection, delegation: Delegation, actor: Principal) -> bool:
    """End a delegation at once, with its audit event. False: it was revoked before.

    It waits for decisions that are being stored by it: those before it count, none after it does.
    """
    ended = await connection.execute(
        update(delegations)
        .where(delegations.c.id == delegation.id, delegations.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp(), revoked_by=_name(actor))
        .returning(delegations.c.revoked_at)
    )
    at = ended.scalar_one_or_none()
    if at is None:
        return False
    payload: dict[str, object] = {
        "delegation": delegation.model_dump(mode="json"),
        "revoked_at": at.isoformat(),
    }
    revoked = audit_log.event(
        AuditType.DELEGATION_REVOKED,
        tenant=delegation.tenant,
        subject=delegation.id,
        actor=actor,
        payload=payload,
    )
    await audit_log.append(connection, revoked)
    return True


async def find(connection: AsyncConnection, tenant: str, delegation_id: str) -> StoredDelegation | None:
    """Return one delegation, whatever became of it."""
    found = await _read(
        connection,
        select(delegations).where(delegations.c.tenant == tenant, delegations.c.id == delegation_id),
    )
    return found[0] if found else None


async def lent_to(
    connection: AsyncConnection, tenant: str, delegate: Principal, *, holding: bool = False
) -> tuple[Delegation, ...]:
    """Return the delegations to this person that are in force now. `holding`: nobody revokes them meanwhile.

    Each lends what its delegator still holds; one of which nothing is left is not among them.
    """
    wanted = _in_force(tenant).where(delegations.c.delegate == _name(delegate)).limit(MOST_IN_FORCE + 1)
    found = await _read(connection, wanted.with_for_update(read=True) if holding else wanted)
    if len(found) > MOST_IN_FORCE:
        _log.error("delegations.too_many", delegate=_name(delegate), most=MOST_IN_FORCE)
        return ()
    return await _held(connection, found)


async def in_force(connection: AsyncConnection, tenant: str) -> tuple[Delegation, ...]:
    """Return the delegations in force now, with what each still lends, those that end first, first."""
    return await _held(connection, await _read(connection, _in_force(tenant).limit(MOST_LISTED)))


async def count_to(connection: AsyncConnection, tenant: str, delegate: Principal) -> int:
    """Return how many delegations to this person are in force or to come."""
    wanted = select(func.count()).where(
        delegations.c.tenant == tenant,
        delegations.c.delegate == _name(delegate),
        delegations.c.revoked_at.is_(None),
        delegations.c.until > func.clock_timestamp(),
    )
    return int((await connection.execute(wanted)).scalar_one())


async def not_over(
    connection: AsyncConnection, tenant: str, of: Principal | None = None
) -> tuple[StoredDelegation, ...]:
    """Return the delegations in force or to come, or those that `of` gave or was given."""
    wanted = (
        select(delegations)
        .where(
            delegations.c.tenant == tenant,
            delegations.c.revoked_at.is_(None),
            delegations.c.until > func.clock_timestamp(),
        )
        .order_by(delegations.c.until, delegations.c.id)
        .limit(MOST_LISTED)
    )
    if of is not None:
        wanted = wanted.where((delegations.c.delegator == _name(of)) | (delegations.c.delegate == _name(of)))
    found = await _read(connection, wanted)
    seen = await last_seen(connection, [one.delegation.delegator for one in found])
    return tuple(one._replace(lends=_is_held(one.delegation, seen)) for one in found)


async def known_person(connection: AsyncConnection, name: str) -> Principal | None:
    """Return `issuer/subject` as their newest token or session in force knows them; None: nobody here does."""
    issuer, subject = pair_of(name)
    found: list[tuple[datetime, Principal]] = []
    for table in (tokens, sessions):
        document = table.c.principal
        wanted = (
            select(table.c.created_at, document)
            .where(
                document["issuer"].astext == issuer,
                document["subject"].astext == subject,
                table.c.revoked_at.is_(None),
                table.c.expires_at.is_(None) | (table.c.expires_at > func.clock_timestamp()),
            )
            .order_by(table.c.created_at.desc())
            .limit(1)
        )
        row = (await connection.execute(wanted)).one_or_none()
        if row is not None:
            found.append((row.created_at, Principal.model_validate(row.principal)))
    return max(found, key=lambda one: one[0])[1] if found else None


async def _held(connection: AsyncConnection, found: Sequence[StoredDelegation]) -> tuple[Delegation, ...]:
    seen = await last_seen(connection, [one.delegation.delegator for one in found])
    held = (as_held(one.delegation, seen.get(voter(one.delegation.delegator), ())) for one in found)
    return tuple(one for one in held if one is not None)


def _is_held(one: Delegation, seen: Mapping[Voter, tuple[Principal, ...]]) -> bool:
    return as_held(one, seen.get(voter(one.delegator), ())) is not None


def _in_force(tenant: str) -> Select[Any]:
    now = func.clock_timestamp()
    return (
        select(delegations)
        .where(
            delegations.c.tenant == tenant,
            delegations.c.revoked_at.is_(None),
            delegations.c.starts_at <= now,
            delegations.c.until > now,
        )
        .order_by(delegations.c.until, delegations.c.id)
    )


async def _read(connection: AsyncConnection, wanted: Select[Any]) -> Sequence[StoredDelegation]:
    rows = (await connection.execute(wanted)).all()
    return [
        StoredDelegation(Delegation.model_validate(row.document), row.revoked_at, row.revoked_by)
        for row in rows
    ]


def _name(principal: Principal) -> str:
    return principal.key
