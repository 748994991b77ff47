"""REQUEST: intake and its one outcome. Every change joins the caller's transaction with its audit event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.schema import requests
from contracts.audit import AuditType
from contracts.errors import NotFound
from contracts.principal import SYSTEM, Principal
from contracts.request import AgentStep, Request, RequestStatus

_OPEN = (RequestStatus.RECEIVED.value, RequestStatus.PLANNING.value)


async def create(connection: AsyncConnection, request: Request, *, dedupe_key: str | None = None) -> bool:
    """Insert a request in status `received`. False when another one took the dedupe key: nothing was written.

    A concurrent holder of the same key is waited for, until its transaction ends.
    """
    inserted = await connection.execute(
        insert(requests)
        .values(
            id=request.id,
            tenant=request.tenant,
            channel=request.channel.value,
            dedupe_key=dedupe_key,
            conversation_id=request.conversation_id,
            document=request.model_dump(mode="json"),
            status=RequestStatus.RECEIVED.value,
            created_at=request.received_at,
        )
        .on_conflict_do_nothing(index_elements=[requests.c.dedupe_key])
        .returning(requests.c.id)
    )
    if inserted.one_or_none() is None:
        return False
    received = audit_log.event(
        AuditType.REQUEST_RECEIVED,
        tenant=request.tenant,
        subject=request.id,
        actor=request.requester,
        payload=request,
    )
    await audit_log.append(connection, received)
    return True


async def find(connection: AsyncConnection, tenant: str, request_id: str) -> Row[Any] | None:
    """Return the request's row without locking it, or None."""
    wanted = select(requests).where(requests.c.id == request_id, requests.c.tenant == tenant)
    return (await connection.execute(wanted)).one_or_none()


async def find_by_dedupe_key(connection: AsyncConnection, dedupe_key: str) -> str | None:
    """Return the id of the request that holds the key."""
    found = await connection.execute(select(requests.c.id).where(requests.c.dedupe_key == dedupe_key))
    return found.scalar_one_or_none()


async def mark_planning(connection: AsyncConnection, request_id: str, *, actor: Principal = SYSTEM) -> bool:
    """Move a request from `received` to `planning`. False when it was moved before.

    Raises:
        NotFound: there is no such request.
    """
    moved = await connection.execute(
        update(requests)
        .where(requests.c.id == request_id, requests.c.status == RequestStatus.RECEIVED.value)
        .values(status=RequestStatus.PLANNING.value)
        .returning(requests.c.tenant)
    )
    row = moved.one_or_none()
    if row is None:
        await _must_exist(connection, request_id)
        return False
    payload: dict[str, object] = {"request_id": request_id}
    planning = audit_log.event(
        AuditType.REQUEST_PLANNING, tenant=row.tenant, subject=request_id, actor=actor, payload=payload
    )
    await audit_log.append(connection, planning)
    return True


async def close(
    connection: AsyncConnection,
    request_id: str,
    status: RequestStatus,
    answer: str | None,
    reason_code: str | None,
    steps: Sequence[AgentStep] = (),
    *,
    actor: Principal = SYSTEM,
    joined: Sequence[str] = (),
) -> bool:
    """Give an open request its one outcome. False when it has one already, which then stays.

    `joined`: open proposals of others that ask for the same, so that it gets none of its own.

    Raises:
        NotFound: there is no such request.
        ValueError: `status` is not final.
    """
    if not status.is_final:
        raise ValueError(f"{status} is not an outcome")
    dumped = [step.model_dump(mode="json") for step in steps]
    closed = await connection.execute(
        update(requests)
        .where(requests.c.id == request_id, requests.c.status.in_(_OPEN))
        .values(
            status=status.value,
            answer=answer,
            reason_code=reason_code,
            steps=dumped,
            joined=list(joined),
            closed_at=func.clock_timestamp(),
        )
        .returning(requests.c.tenant)
    )
    row = closed.one_or_none()
    if row is None:
        await _must_exist(connection, request_id)
        return False
    payload: dict[str, object] = {
        "request_id": request_id,
        "status": status.value,
        "answer": answer,
        "reason_code": reason_code,
        "steps": dumped,
    }
    if joined:
        payload["joined"] = list(joined)
    event = audit_log.event(
        AuditType.REQUEST_CLOSED, tenant=row.tenant, subject=request_id, actor=actor, payload=payload
    )
    await audit_log.append(connection, event)
    return True


async def resolve(connection: AsyncConnection, request_id: str, *, actor: Principal) -> None:
    """Note that the alert of a locked request resolved. A second call changes nothing."""
    now = func.clock_timestamp()
    resolved = await connection.execute(
        update(requests)
        .where(requests.c.id == request_id, requests.c.resolved_at.is_(None))
        .values(resolved_at=now)
        .returning(requests.c.tenant)
    )
    row = resolved.one_or_none()
    if row is not None:
        payload: dict[str, object] = {"request_id": request_id}
        event = audit_log.event(
            AuditType.ALERT_RESOLVED, tenant=row.tenant, subject=request_id, actor=actor, payload=payload
        )
        await audit_log.append(connection, event)


async def lock(connection: AsyncConnection, request_id: str) -> Row[Any]:
    """Return the request's row, locked until the transaction ends.

    Raises:
        NotFound: there is no such request.
    """
    found = await connection.execute(select(requests).where(requests.c.id == request_id).with_for_update())
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"there is no request {request_id}")
    return row


async def _must_exist(connection: AsyncConnection, request_id: str) -> None:
    found = await connection.execute(select(requests.c.id).where(requests.c.id == request_id))
    if found.one_or_none() is None:
        raise NotFound(f"there is no request {request_id}")
