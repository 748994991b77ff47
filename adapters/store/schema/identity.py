"""Who comes in: tokens, browser sessions, login links, idempotency keys."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from adapters.store.schema.base import Moment, created_at, metadata

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of a 256-bit random token
    Column("principal", JSONB, nullable=False),  # contracts.principal.Principal
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    created_at(),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of a 256-bit random cookie
    Column("principal", JSONB, nullable=False),  # contracts.principal.Principal
    Column("display_name", Text, nullable=False),  # how the identity provider names the person
    Column("method", Text, nullable=False),  # link, oidc
    Column("last_seen_at", Moment, nullable=False, server_default=func.now()),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    created_at(),
    Index(
        "ix_sessions_person",
        text("(principal ->> 'issuer')"),
        text("(principal ->> 'subject')"),
        "created_at",
    ),
)

login_links = Table(
    "login_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("principal", JSONB, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),  # a link opens one session
    created_at(),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),  # SHA-256 of OAuth's state
    Column("browser_hash", LargeBinary, nullable=False),  # binds the answer to the browser that asked
    Column("code_verifier", Text, nullable=False),  # PKCE, RFC 7636
    Column("nonce", Text, nullable=False),
    Column("return_to", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    created_at(),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("subject", Text, primary_key=True),  # issuer/subject of the caller
    Column("key", Text, primary_key=True),
    Column("body_digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSONB, nullable=False),
    created_at(),
)
