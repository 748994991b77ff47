"""APPROVAL: ways into a session that are still open: one-time links, and sign-ins under way at an identity provider.

Of links and states only SHA-256 is kept. Each is taken once, whoever comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.schema import login_attempts, login_links
from adapters.store.sessions import SECRET_LENGTH, hash_of, new_secret
from contracts.audit import AuditType
from contracts.base import new_id
from contracts.principal import Principal

LINK_LIFETIME = timedelta(minutes=5)
ATTEMPT_LIFETIME = timedelta(minutes=10)
_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True)
class IssuedLink:
    """A link that was just made. `secret` is seen this once."""

    secret: str
    expires_at: datetime


@dataclass(frozen=True)
class LoginAttempt:
    """A sign-in that came back from the identity provider."""

    code_verifier: str
    """PKCE, RFC 7636."""
    nonce: str
    return_to: str


async def issue_link(connection: AsyncConnection, principal: Principal, *, tenant: str) -> IssuedLink:
    """Store a one-time link by which a person signs in as themselves, with its audit event."""
    secret, link_id, now = new_secret(), new_id("lnk"), func.clock_timestamp()
    stored = await connection.execute(
        insert(login_links)
        .values(
            id=link_id,
            token_hash=hash_of(secret),
            principal=principal.model_dump(mode="json"),
            expires_at=now + LINK_LIFETIME,
        )
        .returning(login_links.c.expires_at)
    )
    expires_at: datetime = stored.scalar_one()
    payload: dict[str, object] = {
        "link_id": link_id,
        "principal": principal.model_dump(mode="json"),
        "expires_at": expires_at.isoformat(),
    }
    event = audit_log.event(
        AuditType.LOGIN_LINK_ISSUED, tenant=tenant, subject=link_id, actor=principal, payload=payload
    )
    await audit_log.append(connection, event)
    await connection.execute(delete(login_links).where(login_links.c.expires_at < now - _KEPT_FOR))
    return IssuedLink(secret, expires_at)


async def whose_link(connection: AsyncConnection, secret: str) -> Principal | None:
    """Return who a link signs in; None when it is unknown, used or too old. It stays as it is."""
    if len(secret) != SECRET_LENGTH:
        return None
    found = await connection.execute(
        select(login_links.c.principal).where(
            login_links.c.token_hash == hash_of(secret),
            login_links.c.used_at.is_(None),
            login_links.c.expires_at > func.clock_timestamp(),
        )
    )
    row = found.one_or_none()
    return None if row is None else Principal.model_validate(row.principal)


async def take_link(connection: AsyncConnection, secret: str) -> Principal | None:
    """Use a link up and return who it signs in; None as for `whose_link`. Of two at once, one gets it."""
    if len(secret) != SECRET_LENGTH:
        return None
    now = func.clock_timestamp()
    taken = await connection.execute(
        update(login_links)
        .where(
            login_links.c.token_hash == hash_of(secret),
            login_links.c.used_at.is_(None),
            login_links.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(login_links.c.principal)
    )
    row = taken.one_or_none()
    return None if row is None else Principal.model_validate(row.principal)


async def forget_links(connection: AsyncConnection, person: Principal) -> None:
    """Take back every link of a person."""
    await connection.execute(
        delete(login_links).where(
            login_links.c.principal["issuer"].astext == person.issuer,
            login_links.c.principal["subject"].astext == person.subject,
        )
    )


async def begin_attempt(
    connection: AsyncConnection, attempt: LoginAttempt, *, state: str, browser: str
) -> None:
    """Keep what is needed when the identity provider answers, and forget what is past."""
    now = func.clock_timestamp()
    await connection.execute(delete(login_attempts).where(login_attempts.c.expires_at < now))
    await connection.execute(
        insert(login_attempts).values(
            state_hash=hash_of(state),
            browser_hash=hash_of(browser),
            code_verifier=attempt.code_verifier,
            nonce=attempt.nonce,
            return_to=attempt.return_to,
            expires_at=now + ATTEMPT_LIFETIME,
        )
    )


async def take_attempt(connection: AsyncConnection, *, state: str, browser: str) -> LoginAttempt | None:
    """Use an attempt up and return it; None when it is unknown, used, too old or another browser's."""
    taken = await connection.execute(
        delete(login_attempts)
        .where(
            login_attempts.c.state_hash == hash_of(state),
            login_attempts.c.browser_hash == hash_of(browser),
            login_attempts.c.expires_at > func.clock_timestamp(),
        )
        .returning(login_attempts)
    )
    row = taken.one_or_none()
    if row is None:
        return None
    return LoginAttempt(code_verifier=row.code_verifier, nonce=row.nonce, return_to=row.return_to)
