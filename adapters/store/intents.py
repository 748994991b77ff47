"""EXECUTION's write-ahead record: what an attempt is about to do, what the provider said, what was found afterwards.

A row without receipt and without `settled_at` means: a call may have been made. The caller holds the proposal's lock.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Update, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.schema import intents, leases
from contracts.audit import AuditType
from contracts.effect import Intent, Receipt, Verification
from contracts.errors import StaleFence
from contracts.principal import SYSTEM


async def find(connection: AsyncConnection, key: str) -> Row[Any] | None:
    """Return the row of one effect by its idempotency key, or None."""
    return (await connection.execute(select(intents).where(intents.c.key == key))).one_or_none()


async def require_none_open(connection: AsyncConnection, key: str) -> None:
    """Let an attempt go on only when no call of another one can be under way. Asked under the proposal's lock.

    Raises:
        StaleFence: another attempt wrote its intent meanwhile. The next attempt finds out what became of it.
    """
    found = await connection.execute(
        select(intents.c.key).where(intents.c.key == key, intents.c.settled_at.is_(None))
    )
    if found.one_or_none() is not None:
        raise StaleFence(f"{key}: another attempt acts")


async def write(connection: AsyncConnection, intent: Intent, tenant: str) -> None:
    """Write the intent of an attempt, with its audit event. From here on a call may have been made.

    Raises:
        StaleFence: a newer attempt has written, or the effect has its receipt.
    """
    values = {
        "proposal_id": intent.proposal_id,
        "step": intent.step.value,
        "document": intent.model_dump(mode="json"),
        "fence": intent.fence,
        "call_deadline": intent.call_deadline,
        "operation": None,
        "issued_at": None,
        "settled_at": None,
        "created_at": func.clock_timestamp(),
    }
    written = await connection.execute(
        insert(intents)
        .values(key=intent.key, **values)
        .on_conflict_do_update(
            index_elements=[intents.c.key],
            set_=values,
            where=(intents.c.fence < intent.fence) & intents.c.receipt.is_(None),
        )
    )
    if written.rowcount != 1:
        raise StaleFence(f"{intent.key}: a newer attempt acts")
    event = audit_log.event(
        AuditType.INTENT_WRITTEN, tenant=tenant, subject=intent.proposal_id, actor=SYSTEM, payload=intent
    )
    await audit_log.append(connection, event)


async def take_over(connection: AsyncConnection, key: str, fence: int) -> None:
    """Let a newer attempt follow up what an older one may have begun: the older one may no longer act."""
    await connection.execute(
        update(intents).where(intents.c.key == key, intents.c.fence < fence).values(fence=fence)
    )


async def is_current(connection: AsyncConnection, key: str, fence: int) -> bool:
    """Tell whether this attempt is still the newest, and the effect without receipt. Asked right before the call."""
    found = await connection.execute(
        select(intents.c.key).where(
            intents.c.key == key, intents.c.fence == fence, intents.c.receipt.is_(None)
        )
    )
    return found.one_or_none() is not None


async def issue(
    connection: AsyncConnection, intent: Intent, operation: str, tenant: str, *, adopted: bool
) -> datetime:
    """Record the provider's operation, with its audit event; the call is over. Return the moment.

    Raises:
        StaleFence: a newer attempt acts. It finds the operation by reading.
    """
    issued = await connection.execute(
        _of(intent.key, intent.fence)
        .values(operation=operation, issued_at=func.clock_timestamp(), call_deadline=func.clock_timestamp())
        .returning(intents.c.issued_at)
    )
    moment: datetime | None = issued.scalar_one_or_none()
    if moment is None:
        raise StaleFence(f"{intent.key}: a newer attempt acts")
    await _end_deadline(connection, intent.proposal_id, intent.fence)
    event = audit_log.event(
        AuditType.EFFECT_ISSUED,
        tenant=tenant,
        subject=intent.proposal_id,
        actor=SYSTEM,
        payload={
            "key": intent.key,
            "proposal_id": intent.proposal_id,
            "step": intent.step.value,
            "fence": intent.fence,
            "operation": operation,
            "adopted": adopted,
        },
    )
    await audit_log.append(connection, event)
    return moment


async def withdraw(connection: AsyncConnection, key: str, proposal_id: str, fence: int) -> None:
    """Note that this attempt has called nothing and will not: a successor need neither wait nor look."""
    await connection.execute(
        _of(key, fence).values(settled_at=func.clock_timestamp(), call_deadline=func.clock_timestamp())
    )
    await _end_deadline(connection, proposal_id, fence)


async def conclude(connection: AsyncConnection, receipt: Receipt, tenant: str) -> None:
    """Write the receipt, with its audit event. No attempt acts on this key any more.

    Raises:
        StaleFence: a newer attempt acts, or the receipt is written.
    """
    written = await connection.execute(
        _of(receipt.key, receipt.fence).values(
            receipt=receipt.model_dump(mode="json"), call_deadline=func.clock_timestamp()
        )
    )
    if written.rowcount != 1:
        raise StaleFence(f"{receipt.key}: a newer attempt acts")
    await _end_deadline(connection, receipt.proposal_id, receipt.fence)
    event = audit_log.event(
        AuditType.RECEIPT_WRITTEN, tenant=tenant, subject=receipt.proposal_id, actor=SYSTEM, payload=receipt
    )
    await audit_log.append(connection, event)


async def verify(connection: AsyncConnection, verification: Verification, tenant: str) -> None:
    """Write what was found after the effect, with its audit event."""
    await connection.execute(
        update(intents)
        .where(intents.c.key == verification.key)
        .values(verification=verification.model_dump(mode="json"), settled_at=func.clock_timestamp())
    )
    event = audit_log.event(
        AuditType.VERIFICATION_RECORDED,
        tenant=tenant,
        subject=verification.proposal_id,
        actor=SYSTEM,
        payload=verification,
    )
    await audit_log.append(connection, event)


async def operations_of_others(connection: AsyncConnection, key: str, names: Collection[str]) -> set[str]:
    """Return which of these operations belong to other effects of ours."""
    found = await connection.execute(
        select(intents.c.operation).where(intents.c.operation.in_(names), intents.c.key != key)
    )
    return set(found.scalars())


async def owned_operations(connection: AsyncConnection, names: Collection[str]) -> set[str]:
    """Return which of these operations belong to an effect of ours."""
    found = await connection.execute(select(intents.c.operation).where(intents.c.operation.in_(names)))
    return set(found.scalars())


def _of(key: str, fence: int) -> Update:
    return update(intents).where(intents.c.key == key, intents.c.fence == fence, intents.c.receipt.is_(None))


async def _end_deadline(connection: AsyncConnection, proposal_id: str, fence: int) -> None:
    """The newest attempt's call is over and every older one was waited out, so no successor has to wait."""
    await connection.execute(
        update(leases)
        .where(leases.c.owner == proposal_id, leases.c.fence == fence)
        .values(call_deadline=func.clock_timestamp())
    )
