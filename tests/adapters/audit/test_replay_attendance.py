"""Delegations and reminders are in the log whole: the tables can be rebuilt from it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from adapters.audit.checkpoint import CheckpointSigner
from adapters.audit.replay import ReplayInconsistent, replay
from adapters.store import delegations, reminders, schema
from adapters.store.database import Database, database_now
from adapters.store.sequencer import Sequencer
from contracts.audit import AuditEvent, AuditType
from contracts.base import new_id
from contracts.configuration import Configuration
from contracts.delegation import Delegation, DelegationScope
from contracts.principal import Principal, PrincipalKind, Role
from tests.adapters.store.test_reminders import waiting
from tests.contracts.samples import ANA, BEN

VERA = Principal(kind=PrincipalKind.HUMAN, subject="vera", roles=(Role.VIEWER,))


async def lived(database: Database) -> list[AuditEvent]:
    """Two delegations, one of them ended; a proposal that nobody decides."""
    for ends in (True, False):
        async with database.transaction() as connection:
            now = await database_now(connection)
            made = Delegation(
                id=new_id("dlg"),
                tenant="default",
                delegator=BEN,
                delegate=VERA,
                scope=DelegationScope(team="inference"),
                starts_at=now,
                until=now + timedelta(days=1),
                reason="away",
                created_by=BEN,
            )
            await delegations.create(connection, made)
            if ends:
                assert await delegations.revoke(connection, made, ANA)
                assert not await delegations.revoke(connection, made, BEN)
    await waiting(database, minutes=80)
    await reminders.remind(database, Configuration.model_validate({"environments": {"production": {}}}))
    await Sequencer(database, CheckpointSigner(Ed25519PrivateKey.generate())).checkpoint()
    async with database.reading() as connection:
        events = schema.audit_events.c
        leaves = (await connection.execute(select(events.leaf).order_by(events.number))).scalars()
        return [AuditEvent.model_validate_json(leaf) for leaf in leaves]


async def test_the_events_alone_rebuild_delegations_and_reminders(database: Database) -> None:
    rebuilt = replay(await lived(database)).attendance
    async with database.reading() as connection:
        made = (await connection.execute(select(schema.delegations))).all()
        told = (await connection.execute(select(schema.reminders))).all()
    assert len(made) == len(told) == 2
    assert {
        key: (one.delegation, one.revoked_at, one.revoked_by) for key, one in rebuilt.delegations.items()
    } == {row.id: (Delegation.model_validate(row.document), row.revoked_at, row.revoked_by) for row in made}
    assert rebuilt.reminders == {(row.proposal_id, row.waiting_since, row.step): row.revision for row in told}


@pytest.mark.parametrize("kind", [AuditType.DELEGATION_CREATED])
async def test_a_log_that_lacks_an_event_does_not_replay(database: Database, kind: AuditType) -> None:
    events = await lived(database)
    place = next(index for index, event in enumerate(events) if event.type is kind)
    with pytest.raises(ReplayInconsistent):
        replay(events[:place] + events[place + 1 :])


@pytest.mark.parametrize(
    "kind", [AuditType.DELEGATION_CREATED, AuditType.DELEGATION_REVOKED, AuditType.PROPOSAL_REMINDED]
)
async def test_an_event_that_comes_twice_does_not_replay(database: Database, kind: AuditType) -> None:
    events = await lived(database)
    place = next(index for index, event in enumerate(events) if event.type is kind)
    with pytest.raises(ReplayInconsistent):
        replay([*events[: place + 1], events[place], *events[place + 1 :]])
