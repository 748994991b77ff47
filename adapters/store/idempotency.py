"""REQUEST, retried: the first answer to an `Idempotency-Key` is kept and given again.

In one transaction the API calls `find`, does its work, and calls `store`. `find` takes a lock on the key, so a
concurrent caller with the same key waits and then finds the stored answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.advisory_locks import derived_lock
from adapters.store.schema import idempotency_keys
from contracts.errors import IdempotencyKeyReused

KEPT = timedelta(days=7)
"""How long an answer is kept at least."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that was given the first time."""

    status: int
    """HTTP status."""
    response: JsonValue


def body_digest(body: bytes, *, operation: str = "") -> str:
    """Return SHA-256 hex over the raw body and what was called, for example `POST /v1/requests`."""
    return hashlib.sha256(operation.encode() + b"\n" + body).hexdigest()


async def find(connection: AsyncConnection, subject: str, key: str, digest: str) -> StoredAnswer | None:
    """Lock the key until the transaction ends; return the stored answer, or None: the caller is the first.

    `subject` is `issuer/subject` of the caller: keys of others are out of reach.

    Raises:
        IdempotencyKeyReused: the key came before with another body.
    """
    await connection.execute(select(func.pg_advisory_xact_lock(derived_lock("idempotency", subject, key))))
    # A statement of its own: only then does it see what the previous holder committed.
    found = await connection.execute(
        select(idempotency_keys.c.body_digest, idempotency_keys.c.status, idempotency_keys.c.response).where(
            idempotency_keys.c.subject == subject, idempotency_keys.c.key == key
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    if row.body_digest != digest:
        raise IdempotencyKeyReused("the idempotency key was used before with another body")
    return StoredAnswer(row.status, row.response)


async def store(
    connection: AsyncConnection, subject: str, key: str, digest: str, status: int, response: JsonValue
) -> None:
    """Keep the answer, in the transaction that called `find` and did the work."""
    await connection.execute(
        insert(idempotency_keys).values(
            subject=subject, key=key, body_digest=digest, status=status, response=response
        )
    )


async def amend(
    connection: AsyncConnection, subject: str, key: str, status: int, response: JsonValue
) -> None:
    """Replace the kept answer by the one that became known after the commit: a decision was applied or refused."""
    mine = (idempotency_keys.c.subject == subject, idempotency_keys.c.key == key)
    await connection.execute(update(idempotency_keys).where(*mine).values(status=status, response=response))


async def forget_old(connection: AsyncConnection, keep: timedelta = KEPT) -> int:
    """Delete answers older than `keep`; return how many."""
    gone = await connection.execute(
        delete(idempotency_keys).where(idempotency_keys.c.created_at < func.clock_timestamp() - keep)
    )
    return gone.rowcount
