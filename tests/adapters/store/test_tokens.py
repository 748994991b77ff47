from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from adapters.store import tokens
from adapters.store.database import Database
from adapters.store.schema import audit_events
from contracts.base import utc_now
from contracts.errors import ConfigurationInvalid
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from tests.contracts.samples import ANA, BEN


async def who(database: Database, token: str) -> Principal | None:
    async with database.reading() as connection:
        return await tokens.authenticate(connection, token)


async def issued(database: Database, principal: Principal, lives: timedelta | None = None) -> str:
    async with database.transaction() as connection:
        expires_at = None if lives is None else utc_now() + lives
        return await tokens.issue(
            connection, principal, actor=SYSTEM, expires_at=expires_at, tenant="default"
        )


async def test_a_token_names_its_principal_and_nobody_else(database: Database) -> None:
    of_ana, of_ben = await issued(database, ANA), await issued(database, BEN, timedelta(hours=1))
    assert of_ana.startswith("slc_")
    assert await who(database, of_ana) == ANA
    assert await who(database, of_ben) == BEN


@pytest.mark.parametrize("presented", ["", "slc_", "x" * 100_000, "\x00", "slc_\ud800"])
async def test_an_unknown_token_names_nobody(database: Database, presented: str) -> None:
    await issued(database, ANA)
    assert await who(database, presented) is None


async def test_a_longer_token_with_a_known_beginning_names_nobody(database: Database) -> None:
    token = "s" * tokens.MAX_LENGTH
    async with database.transaction() as connection:
        await tokens.issue(connection, ANA, actor=SYSTEM, token=token, tenant="default")
    assert await who(database, token) == ANA
    assert await who(database, token + "s") is None


async def test_an_expired_or_revoked_token_names_nobody(database: Database) -> None:
    expired, revoked = await issued(database, ANA, timedelta(seconds=-1)), await issued(database, ANA)
    async with database.transaction() as connection:
        assert await tokens.revoke(connection, tokens.token_id(revoked), actor=SYSTEM, tenant="default")
        assert not await tokens.revoke(connection, tokens.token_id(revoked), actor=SYSTEM, tenant="default")
    assert await who(database, expired) is None
    assert await who(database, revoked) is None


async def test_no_token_is_stored_or_audited_in_the_clear(database: Database) -> None:
    token = await issued(database, ANA)
    async with database.reading() as connection:
        stored = (await connection.execute(text("select tokens::text from tokens"))).scalars().all()
        leaves = (await connection.execute(select(audit_events.c.leaf))).scalars().all()
    assert len(leaves) == 1
    assert all(token not in row for row in stored)
    assert all(token.encode() not in leaf for leaf in leaves)


async def test_a_file_of_local_tokens_is_imported_once(database: Database, tmp_path: Path) -> None:
    local = {name: tokens.new_token() for name in tokens.LOCAL_PRINCIPALS}
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps(local))
    for _ in range(2):
        async with database.transaction() as connection:
            await tokens.import_file(connection, file, actor=SYSTEM, tenant="default")
    async with database.transaction() as connection:
        await tokens.revoke(connection, tokens.token_id(local["viewer"]), actor=SYSTEM, tenant="default")
        await tokens.import_file(connection, file, actor=SYSTEM, tenant="default")
        events = (await connection.execute(select(audit_events.c.type))).scalars().all()
    assert sorted(events) == ["token.issued"] * 6 + ["token.revoked"]
    assert await who(database, local["viewer"]) is None
    approver, alerts = await who(database, local["approver2"]), await who(database, local["alertmanager"])
    assert approver is not None
    assert approver.roles == (Role.APPROVER, Role.VIEWER)
    assert alerts is not None
    assert (alerts.kind, alerts.roles) == (PrincipalKind.SERVICE, (Role.REQUESTER,))


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"root": "' + "x" * 40 + '"}', '{"viewer": "short"}', '{"viewer": 5}', '"viewer"']
)
async def test_a_wrong_token_file_is_refused_whole(database: Database, tmp_path: Path, content: str) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(content)
    async with database.transaction() as connection:
        with pytest.raises(ConfigurationInvalid):
            await tokens.import_file(connection, file, actor=SYSTEM, tenant="default")
