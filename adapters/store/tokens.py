"""REQUEST and APPROVAL: who calls. Bearer tokens, of which only SHA-256 is kept.

A token has 256 random bits, so a plain hash at rest is enough: there is nothing to guess (OWASP, Session
Management: at least 64 bits of entropy).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, logins, sessions
from adapters.store.driver import query
from adapters.store.schema import tokens
from contracts.audit import AuditType
from contracts.errors import ConfigurationInvalid
from contracts.principal import Principal, PrincipalKind, Role

PREFIX = "slc_"
MIN_LENGTH = 32
"""Characters of a token that is brought along; ours have 47."""
MAX_LENGTH = 200

_H, _S = PrincipalKind.HUMAN, PrincipalKind.SERVICE
LOCAL_PRINCIPALS: Mapping[str, Principal] = MappingProxyType(
    {
        name: Principal(kind=kind, subject=name, roles=roles)
        for name, kind, roles in (
            ("requester", _H, (Role.REQUESTER, Role.VIEWER)),
            ("approver", _H, (Role.APPROVER, Role.VIEWER)),
            ("approver2", _H, (Role.APPROVER, Role.VIEWER)),
            ("operator", _H, (Role.OPERATOR, Role.VIEWER)),
            ("viewer", _H, (Role.VIEWER,)),
            ("alertmanager", _S, (Role.REQUESTER,)),
        )
    }
)
"""Who is who in `tokens.json` of a local stack."""


def new_token() -> str:
    """Return a fresh token: `slc_` and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def token_id(token: str) -> str:
    """Return the public id of a token, by which it is listed and revoked."""
    return "tok_" + _hash(token).hex()[:20]


async def issue(
    connection: AsyncConnection,
    principal: Principal,
    *,
    actor: Principal,
    expires_at: datetime | None = None,
    token: str | None = None,
    tenant: str,
) -> str:
    """Store a token for a principal, with its audit event, and return its text: the only time it is seen.

    `token` brings along a text of one's own. One that is stored already stays as it is, revoked or not.
    """
    text = token or new_token()
    inserted = await connection.execute(
        insert(tokens)
        .values(
            id=token_id(text),
            token_hash=_hash(text),
            principal=principal.model_dump(mode="json"),
            expires_at=expires_at,
        )
        .on_conflict_do_nothing()
        .returning(tokens.c.id)
    )
    stored = inserted.scalar_one_or_none()
    if stored is not None:
        payload: dict[str, object] = {
            "token_id": stored,
            "principal": principal.model_dump(mode="json"),
            "expires_at": expires_at.isoformat() if expires_at else None,
        }
        issued = audit_log.event(
            AuditType.TOKEN_ISSUED, tenant=tenant, subject=stored, actor=actor, payload=payload
        )
        await audit_log.append(connection, issued)
    return text


_IN_FORCE = """
    SELECT token_hash, principal FROM tokens
    WHERE token_hash = :token_hash AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > clock_timestamp())"""
_HELD, _HELD_ON = query(_IN_FORCE), query(f"{_IN_FORCE} FOR SHARE")


async def authenticate(connection: AsyncConnection, token: str, *, holding: bool = False) -> Principal | None:
    """Return who holds the token; None when it is unknown, revoked or expired by the database's clock.

    `holding`: nobody revokes it before the transaction ends.

    The same work is done for every answer: one hash, one look-up by the hash, one comparison.
    """
    presented = _hash(token[: MAX_LENGTH + 1])
    row = await (_HELD_ON if holding else _HELD).first_row(connection, {"token_hash": presented})
    known = row.token_hash if row is not None else bytes(32)
    if not hmac.compare_digest(known, presented) or row is None:
        return None
    return Principal.model_validate(row.principal)


async def revoke(connection: AsyncConnection, revoked_id: str, *, actor: Principal, tenant: str) -> bool:
    """Revoke a token by its public id, with its audit event. False when there is none in force.

    With it end all that links opened for its person: which of their tokens a link was made with is not kept.
    """
    revoked = await connection.execute(
        update(tokens)
        .where(tokens.c.id == revoked_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
        .returning(tokens.c.principal)
    )
    row = revoked.one_or_none()
    if row is None:
        return False
    payload: dict[str, object] = {"token_id": revoked_id}
    event = audit_log.event(
        AuditType.TOKEN_REVOKED, tenant=tenant, subject=revoked_id, actor=actor, payload=payload
    )
    await audit_log.append(connection, event)
    person = Principal.model_validate(row.principal)
    # Links first: whoever uses one up meanwhile has opened the session by the time that sessions are looked for.
    await logins.forget_links(connection, person)
    await sessions.close_with_token(connection, person, actor=actor, tenant=tenant)
    return True


async def import_file(connection: AsyncConnection, path: Path, *, actor: Principal, tenant: str) -> None:
    """Store the tokens of a local stack: a JSON object of role name → token. A second call changes nothing.

    Raises:
        ConfigurationInvalid: the file is not that, names somebody unknown, or a token is too short.
    """
    for name, token in _read(path).items():
        await issue(connection, LOCAL_PRINCIPALS[name], actor=actor, token=token, tenant=tenant)


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(f"{path} cannot be read as JSON") from error
    if not isinstance(content, dict) or not content.keys() <= LOCAL_PRINCIPALS.keys():
        raise ConfigurationInvalid(f"{path} must map names among {', '.join(LOCAL_PRINCIPALS)} to tokens")
    for name, token in content.items():
        if not isinstance(token, str) or not MIN_LENGTH <= len(token) <= MAX_LENGTH:
            raise ConfigurationInvalid(
                f"{path}: the token of {name} must have {MIN_LENGTH} to {MAX_LENGTH} characters"
            )
    return content


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
