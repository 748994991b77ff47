"""EXECUTION's write-ahead record: what an attempt is about to do, what the provider said, what was found afterwards.

A row without receipt and without `settled_at` means: a call may have been made. The caller holds the proposal's lock.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.driver import Record, fixed, query
from adapters.store.schema import intents, leases
from adapters.store.writes import NOW, Write, inserting, updating
from contracts.audit import AuditType
from contracts.effect import Intent, Receipt, Verification
from contracts.errors import NotFound, StaleFence
from contracts.principal import SYSTEM

_FIND = fixed(select(intents).where(intents.c.key == bindparam("key")))
_LOOK = query("""
    SELECT p.*, i.key AS effect, i.receipt, i.settled_at, clock_timestamp() AS now FROM proposals p
    LEFT JOIN intents i ON i.key = :key WHERE p.id = :proposal_id""")
_CURRENT = query("SELECT key FROM intents WHERE key = :key AND fence = :fence AND receipt IS NULL")
# A newer attempt writes over an older one's row, never over a receipt.
_NEWER = """
    ON CONFLICT (key) DO UPDATE SET
        proposal_id = excluded.proposal_id, step = excluded.step, document = excluded.document,
        fence = excluded.fence, call_deadline = excluded.call_deadline, operation = excluded.operation,
        issued_at = excluded.issued_at, settled_at = excluded.settled_at, created_at = excluded.created_at
    WHERE intents.fence < excluded.fence AND intents.receipt IS NULL"""
_ISSUE = """
    UPDATE intents SET operation = {operation}, issued_at = {at}, call_deadline = clock_timestamp()
    WHERE key = {key} AND fence = {fence} AND receipt IS NULL"""
_CONCLUDE = """
    UPDATE intents SET receipt = CAST({receipt} AS jsonb), call_deadline = clock_timestamp()
    WHERE key = {key} AND fence = {fence} AND receipt IS NULL"""
_WITHDRAW = """
    UPDATE intents SET settled_at = clock_timestamp(), call_deadline = clock_timestamp()
    WHERE key = {key} AND fence = {fence} AND receipt IS NULL"""


async def find(connection: AsyncConnection, key: str) -> Record | None:
    """Return the row of one effect by its idempotency key, or None."""
    return await _FIND.first_row(connection, {"key": key})


async def look(connection: AsyncConnection, proposal_id: str, key: str) -> Record:
    """Return a proposal's row and how far one effect of it is, unlocked, in one statement.

    Beside the columns of `proposals`: `effect` (the key, or None while there is no intent), its `receipt` and
    `settled_at`, and `now`, the database's clock.

    Raises:
        NotFound: there is no such proposal.
    """
    row = await _LOOK.first_row(connection, {"proposal_id": proposal_id, "key": key})
    if row is None:
        raise NotFound(f"there is no proposal {proposal_id}")
    return row


def add_intent(batch: Batch, intent: Intent, tenant: str) -> None:
    """Add the intent of an attempt and its audit event. Once they are committed a call may have been made.

    Sending raises `StaleFence` when a newer attempt has written, or when the effect has its receipt.
    """
    values = {
        "key": intent.key,
        "proposal_id": intent.proposal_id,
        "step": intent.step.value,
        "document": intent.model_dump(mode="json"),
        "fence": intent.fence,
        "call_deadline": intent.call_deadline,
        "operation": None,
        "issued_at": None,
        "settled_at": None,
        "created_at": NOW,
    }
    batch.add(inserting(intents, values).ending(_NEWER), otherwise=_stale(intent.key))
    event = audit_log.event(
        AuditType.INTENT_WRITTEN, tenant=tenant, subject=intent.proposal_id, actor=SYSTEM, payload=intent
    )
    batch.audit(event)


_TAKE_OVER = query("UPDATE intents SET fence = :fence WHERE key = :key AND fence < :fence")


async def take_over(connection: AsyncConnection, key: str, fence: int) -> None:
    """Let a newer attempt follow up what an older one may have begun: the older one may no longer act."""
    await _TAKE_OVER.first_row(connection, {"key": key, "fence": fence})


async def is_current(connection: AsyncConnection, key: str, fence: int) -> bool:
    """Tell whether this attempt is still the newest, and the effect without receipt. Asked right before the call."""
    return await _CURRENT.first_row(connection, {"key": key, "fence": fence}) is not None


async def issue(
    connection: AsyncConnection, intent: Intent, operation: str, tenant: str, at: datetime, *, adopted: bool
) -> None:
    """Record the provider's operation, with its audit event; the call is over.

    Raises:
        StaleFence: a newer attempt acts. It finds the operation by reading.
    """
    issued = {"operation": operation, "at": at, "key": intent.key, "fence": intent.fence}
    batch = Batch()
    batch.add(Write(_ISSUE, issued), otherwise=_stale(intent.key))
    batch.add(_ending_deadline(intent.proposal_id, intent.fence))
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
    batch.audit(event)
    await batch.send(connection)


async def withdraw(connection: AsyncConnection, key: str, proposal_id: str, fence: int) -> None:
    """Note that this attempt has called nothing and will not: a successor need neither wait nor look."""
    batch = Batch()
    batch.add(Write(_WITHDRAW, {"key": key, "fence": fence}))
    batch.add(_ending_deadline(proposal_id, fence))
    await batch.send(connection)


def add_receipt(batch: Batch, receipt: Receipt, tenant: str) -> None:
    """Add the receipt and its audit event. Once they are committed no attempt acts on this key any more.

    Sending raises `StaleFence` when a newer attempt acts, or the receipt is written.
    """
    written = {"receipt": receipt.model_dump_json(), "key": receipt.key, "fence": receipt.fence}
    batch.add(Write(_CONCLUDE, written), otherwise=_stale(receipt.key))
    batch.add(_ending_deadline(receipt.proposal_id, receipt.fence))
    event = audit_log.event(
        AuditType.RECEIPT_WRITTEN, tenant=tenant, subject=receipt.proposal_id, actor=SYSTEM, payload=receipt
    )
    batch.audit(event)


def add_verification(batch: Batch, verification: Verification, tenant: str) -> None:
    """Add what was found after the effect, and its audit event."""
    found = {"verification": verification.model_dump(mode="json"), "settled_at": NOW}
    batch.add(updating(intents, found, where={"key": verification.key}))
    event = audit_log.event(
        AuditType.VERIFICATION_RECORDED,
        tenant=tenant,
        subject=verification.proposal_id,
        actor=SYSTEM,
        payload=verification,
    )
    batch.audit(event)


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


def _ending_deadline(proposal_id: str, fence: int) -> Write:
    """The newest attempt's call is over and every older one was waited out, so no successor has to wait."""
    return updating(leases, {"call_deadline": NOW}, where={"owner": proposal_id, "fence": fence})


def _stale(key: str) -> StaleFence:
    return StaleFence(f"{key}: a newer attempt acts")
