"""APPROVAL: who is signed in at a browser. A cookie holds 256 random bits, the database their SHA-256.

A session ends by signing out, by its absolute lifetime, or by idleness, and one that a link opened also when a token of
its person is revoked; the database's clock decides.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.schema import sessions
from contracts.audit import AuditType
from contracts.base import new_id
from contracts.principal import Principal

SECRET_LENGTH = 43
"""Characters of a secret: 32 random bytes in unpadded base64url."""
SEEN_EVERY = timedelta(minutes=1)
"""`last_seen_at` is written at most this often."""
KEPT_FOR = timedelta(days=30)
"""How long the row of an ended session stays; the audit log keeps its events for good."""


class SignInMethod(StrEnum):
    """How somebody proved who they are."""

    LINK = "link"
    OIDC = "oidc"


@dataclass(frozen=True)
class BrowserSession:
    """A session in force."""

    id: str
    principal: Principal
    display_name: str
    """How the identity provider names the person; the subject where it does not. Untrusted text."""
    method: SignInMethod
    last_seen_at: datetime
    expires_at: datetime
    is_due: bool
    """Whether `last_seen_at` is older than `SEEN_EVERY`."""


def new_secret() -> str:
    """Return 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    """Return what is stored of a secret. There is nothing to guess, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def open_session(
    connection: AsyncConnection,
    principal: Principal,
    *,
    display_name: str,
    method: SignInMethod,
    lifetime: timedelta,
    tenant: str,
) -> str:
    """Open a session, with its audit event, and return its secret: the only time it is seen."""
    secret, session_id, now = new_secret(), new_id("ses"), func.clock_timestamp()
    stored = await connection.execute(
        insert(sessions)
        .values(
            id=session_id,
            token_hash=hash_of(secret),
            principal=principal.model_dump(mode="json"),
            display_name=display_name,
            method=method.value,
            last_seen_at=now,
            expires_at=now + lifetime,
        )
        .returning(sessions.c.expires_at)
    )
    expires_at: datetime = stored.scalar_one()
    payload: dict[str, object] = {
        "session_id": session_id,
        "principal": principal.model_dump(mode="json"),
        "method": method.value,
        "expires_at": expires_at.isoformat(),
    }
    opened = audit_log.event(
        AuditType.SESSION_OPENED, tenant=tenant, subject=session_id, actor=principal, payload=payload
    )
    await audit_log.append(connection, opened)
    await connection.execute(delete(sessions).where(sessions.c.expires_at < now - KEPT_FOR))
    return secret


async def find(connection: AsyncConnection, secret: str, *, idle_timeout: timedelta) -> BrowserSession | None:
    """Return the session of a cookie; None when it is unknown, signed out, over or idle for too long."""
    if len(secret) != SECRET_LENGTH:
        return None
    due = sessions.c.last_seen_at < func.clock_timestamp() - SEEN_EVERY
    in_force = and_(sessions.c.token_hash == hash_of(secret), _in_force(idle_timeout))
    row = (await connection.execute(select(sessions, due.label("is_due")).where(in_force))).one_or_none()
    if row is None:
        return None
    return BrowserSession(
        id=row.id,
        principal=Principal.model_validate(row.principal),
        display_name=row.display_name,
        method=SignInMethod(row.method),
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        is_due=row.is_due,
    )


async def mark_seen(connection: AsyncConnection, session_id: str) -> None:
    """Note that the person did something."""
    now = func.clock_timestamp()
    await connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.last_seen_at < now - SEEN_EVERY)
        .values(last_seen_at=now)
    )


async def close(connection: AsyncConnection, secret: str, *, tenant: str, reason: str) -> bool:
    """Revoke the session of a cookie, with its audit event. False when none was open.

    `reason` is `signed_out` or `replaced`, by a newer session of the same browser.
    """
    return await _close(connection, sessions.c.token_hash == hash_of(secret), tenant=tenant, reason=reason)


async def close_with_token(
    connection: AsyncConnection, person: Principal, *, actor: Principal, tenant: str
) -> None:
    """Revoke every session that a link opened for a person, with their audit events: a token of theirs was revoked."""
    opened = and_(
        sessions.c.principal["issuer"].astext == person.issuer,
        sessions.c.principal["subject"].astext == person.subject,
        sessions.c.method == SignInMethod.LINK.value,
        sessions.c.expires_at > func.clock_timestamp(),
    )
    await _close(connection, opened, actor=actor, tenant=tenant, reason="token_revoked")


async def _close(
    connection: AsyncConnection,
    which: ColumnElement[bool],
    *,
    actor: Principal | None = None,
    tenant: str,
    reason: str,
) -> bool:
    """Without an `actor`, whose session it is ended it. False when none was open."""
    closed = await connection.execute(
        update(sessions)
        .where(which, sessions.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
        .returning(sessions.c.id, sessions.c.principal)
    )
    events = [
        audit_log.event(
            AuditType.SESSION_CLOSED,
            tenant=tenant,
            subject=row.id,
            actor=actor or Principal.model_validate(row.principal),
            payload={"session_id": row.id, "reason": reason},
        )
        for row in closed.all()
    ]
    await audit_log.append(connection, *events)
    return bool(events)


def _in_force(idle_timeout: timedelta) -> ColumnElement[bool]:
    now = func.clock_timestamp()
    return and_(
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > now,
        sessions.c.last_seen_at > now - idle_timeout,
    )
