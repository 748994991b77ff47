"""Grants in the store: two people, the database's clock, a review that stays open; and all of it in the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, update

from adapters.audit.replay import replay
from adapters.store import break_glass
from adapters.store import proposals as proposals_store
from adapters.store.database import Database, database_now
from adapters.store.schema import audit_events, outbox, proposals
from adapters.store.schema import break_glass as grants_table
from contracts.audit import AuditEvent
from contracts.base import new_id
from contracts.break_glass import BreakGlass, BreakGlassStatus, confirm_refusal, review_refusal
from contracts.configuration import BypassableGate
from contracts.holds import on_halt
from contracts.principal import Principal, PrincipalKind, Role
from contracts.safety import HaltScope
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import AGENT, ANA, BEN

pytestmark = pytest.mark.postgres_15

S = BreakGlassStatus
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))


async def opened(database: Database, **changes: Any) -> BreakGlass:
    async with database.transaction() as connection:
        now = await database_now(connection)
        fields: dict[str, Any] = {
            "id": new_id("brk"),
            "scope": HaltScope(environment="production"),
            "gates": (BypassableGate.CHANGE_WINDOW,),
            "reason": "the site is down",
            "minutes": 30,
            "status": S.AWAITING_SECOND,
            "opened_by": OLGA,
            "opened_at": now,
            "confirm_by": now + timedelta(minutes=15),
        }
        grant = BreakGlass.model_validate(fields | changes)
        await break_glass.create(connection, grant, tenant="default")
    return grant


async def confirmed(database: Database) -> BreakGlass:
    grant = await opened(database)
    async with database.transaction() as connection:
        return await break_glass.confirm(connection, grant, BEN, tenant="default")


async def stored(database: Database, grant_id: str) -> BreakGlass:
    async with database.transaction() as connection:
        found = await break_glass.lock(connection, "default", grant_id)
    assert found is not None
    return found


async def settle(database: Database) -> int:
    async with database.transaction() as connection:
        return await break_glass.settle(connection)


async def pass_over(database: Database, grant: BreakGlass, **columns: Any) -> None:
    """Let a deadline of a grant be over, in the columns that a clock is compared with and in the document."""
    changed = grant.model_copy(update=columns)
    async with database.transaction() as connection:
        await connection.execute(
            update(grants_table)
            .where(grants_table.c.id == grant.id)
            .values(document=changed.model_dump(mode="json"), **columns)
        )


async def woken(database: Database) -> list[str]:
    async with database.reading() as connection:
        found = await connection.execute(select(outbox.c.subject).where(outbox.c.kind == "wake"))
        return list(found.scalars())


async def events(database: Database) -> list[AuditEvent]:
    async with database.reading() as connection:
        found = await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.ordinal))
        return [AuditEvent.model_validate_json(leaf) for leaf in found.scalars()]


async def test_a_grant_counts_from_its_confirmation_and_for_its_minutes_only(database: Database) -> None:
    assert not (await opened(database)).counts_at((await confirmed(database)).opened_at)
    grant = await confirmed(database)
    assert grant.confirmed_at is not None
    assert grant.expires_at == grant.confirmed_at + timedelta(minutes=30)
    assert grant.counts_at(grant.confirmed_at)
    assert not grant.counts_at(grant.expires_at)


async def test_an_expired_grant_waits_for_its_review_and_an_unconfirmed_one_lapses(
    database: Database,
) -> None:
    active, waiting, later = await confirmed(database), await opened(database), await confirmed(database)
    assert await settle(database) == 0
    past = active.opened_at - timedelta(seconds=1)
    await pass_over(database, active, expires_at=past)
    await pass_over(database, waiting, confirm_by=past)
    assert await settle(database) == 2
    assert await settle(database) == 0
    found = {one: (await stored(database, one)).status for one in (active.id, waiting.id, later.id)}
    assert found == {active.id: S.REVIEW_OPEN, waiting.id: S.LAPSED, later.id: S.ACTIVE}


async def test_what_is_over_is_not_counted_as_active_before_any_sweep(database: Database) -> None:
    grant = await confirmed(database)
    async with database.reading() as connection:
        assert (await break_glass.count_by_status(connection))["active"] == 1
    await pass_over(database, grant, expires_at=grant.opened_at)
    async with database.reading() as connection:
        counts = await break_glass.count_by_status(connection)
    assert counts == {"awaiting_second": 0, "active": 0, "review_open": 1}


async def test_each_step_is_audited_and_told_and_the_log_alone_gives_the_same_grant(
    database: Database,
) -> None:
    grant = await confirmed(database)
    async with database.transaction() as connection:
        ended = await break_glass.end(connection, grant, OLGA, tenant="default")
    async with database.transaction() as connection:
        closed = await break_glass.review(connection, ended, ANA, "it was right", tenant="default")
    lapsing = await opened(database)
    async with database.transaction() as connection:
        lapsed = await break_glass.end(connection, lapsing, OLGA, tenant="default")
    logged = await events(database)
    assert [event.type.value for event in logged if event.subject == grant.id] == [
        "break_glass.opened",
        "break_glass.confirmed",
        "break_glass.ended",
        "break_glass.reviewed",
    ]
    assert replay(logged).safety.grants == {closed.id: closed, lapsed.id: lapsed}
    async with database.reading() as connection:
        told = select(func.count()).where(outbox.c.kind == "notify", outbox.c.subject == grant.id)
        assert (await connection.execute(told)).scalar_one() == 4


async def test_a_confirmation_wakes_what_it_covers_and_nothing_that_a_halt_holds(database: Database) -> None:
    covered, halted, elsewhere = [await stored_proposal(database) for _ in range(3)]
    held_on = {covered.id: "window:nights", halted.id: on_halt("hlt_1"), elsewhere.id: "window:nights"}
    async with database.transaction() as connection:
        for proposal_id, key in held_on.items():
            await connection.execute(
                update(proposals).where(proposals.c.id == proposal_id).values(state="ready", held_on=key)
            )
        await connection.execute(
            update(proposals).where(proposals.c.id == elsewhere.id).values(environment="development")
        )
    await confirmed(database)
    assert await woken(database) == [covered.id]


async def test_what_a_pass_holds_while_the_grant_is_being_confirmed_is_woken_too(database: Database) -> None:
    """That pass has asked for grants already."""
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        await connection.execute(
            update(proposals).where(proposals.c.id == proposal.id).values(state="ready", held_on=None)
        )
    async with database.transaction() as judging:
        row = await proposals_store.lock(judging, proposal.id)
        await confirmed(database)
        await proposals_store.hold(judging, row, "window:nights", "outside_window", "It is night.")
    assert await woken(database) == [proposal.id]


async def test_an_active_grant_of_one_person_cannot_be_made(database: Database) -> None:
    grant = await opened(database)
    async with database.transaction() as connection:
        with pytest.raises(ValidationError, match="two people"):
            await break_glass.confirm(connection, grant, OLGA, tenant="default")


async def test_only_another_person_confirms_and_only_a_third_one_reviews(database: Database) -> None:
    grant = await opened(database)
    assert confirm_refusal(grant, OLGA, grant.opened_at) == "same_person"
    assert confirm_refusal(grant, AGENT, grant.opened_at) == "people_only"
    assert confirm_refusal(grant, BEN, grant.confirm_by) == "not_awaiting_second"
    assert confirm_refusal(grant, BEN, grant.opened_at) is None
    active = await confirmed(database)
    assert confirm_refusal(active, ANA, active.opened_at) == "not_awaiting_second"
    assert review_refusal(active, ANA) == "not_in_review"
    async with database.transaction() as connection:
        ended = await break_glass.end(connection, active, OLGA, tenant="default")
    assert [review_refusal(ended, who) for who in (OLGA, BEN, AGENT, ANA)] == [
        "same_person",
        "same_person",
        "people_only",
        None,
    ]


async def test_another_tenant_does_not_see_it(database: Database) -> None:
    grant = await opened(database)
    async with database.transaction() as connection:
        assert await break_glass.lock(connection, "other", grant.id) is None
        assert await break_glass.listed(connection, "other") == ()
        assert [one.id for one in await break_glass.listed(connection, "default")] == [grant.id]
