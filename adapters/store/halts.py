"""The kill switch: a halt is `draining` until no effect it covers can still begin, then `effective`.

A halt takes `HALT_LOCK` exclusively; every intent transaction takes it shared and then looks for halts. So each
intent either saw the halt and refused, or is visible to the halt, which waits out its call deadline.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from opentelemetry.propagate import inject
from pydantic import JsonValue
from sqlalchemy import func, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, outbox
from adapters.store.advisory_locks import AdvisoryLock
from adapters.store.database import database_now
from adapters.store.driver import fixed, query
from adapters.store.outbox import OUTBOX_CHANNEL, OutboxKind
from adapters.store.proposals import lock
from adapters.store.schema import halts, intents, proposals
from contracts import holds
from contracts.audit import AuditType
from contracts.base import new_id
from contracts.principal import SYSTEM, Principal
from contracts.safety import Halt, HaltScope, HaltStatus

BY_OPERATOR = "halted_by_operator"
"""Reason code of a halt that a person made."""
APART = timedelta(milliseconds=50)
"""Time between two proposals that go on after a halt: what waited does not come all at once."""
HALT_LOCK = AdvisoryLock.HALT
"""Advisory lock: exclusive for a new halt, shared for an intent."""


async def ended_at(connection: AsyncConnection, key: str | None) -> datetime | None:
    """Return when the halt ended under whose key a proposal waits, or None: it has not, or it is no halt."""
    if key is None or not key.startswith(holds.HALT):
        return None
    wanted = select(halts.c.ended_at).where(halts.c.id == key.removeprefix(holds.HALT))
    return (await connection.execute(wanted)).scalar_one_or_none()


_LOCK_OUT = query(f"""
    WITH locked AS MATERIALIZED (SELECT * FROM proposals WHERE id = :proposal_id FOR UPDATE),
    shared AS MATERIALIZED (SELECT locked.*, pg_advisory_xact_lock_shared({HALT_LOCK:d}) FROM locked)
    SELECT shared.*, clock_timestamp() AS now FROM shared""")  # noqa: S608  a number


async def lock_out(connection: AsyncConnection, proposal_id: str) -> Row[Any]:
    """Lock a proposal as `proposals.lock` does, and then keep new halts out until the transaction ends.

    The intent transaction begins with it; halts are read by a statement of its own, afterwards.

    Raises:
        NotFound: there is no such proposal.
    """
    return await lock(connection, proposal_id, _LOCK_OUT)


async def lock_out_intents(connection: AsyncConnection) -> None:
    """Keep new intents out until the transaction ends. Whoever also locks a proposal locks that one first."""
    await connection.execute(select(func.pg_advisory_xact_lock(HALT_LOCK)))


async def create(
    connection: AsyncConnection,
    scope: HaltScope,
    reason: str,
    *,
    actor: Principal,
    tenant: str,
    reason_code: str = BY_OPERATOR,
) -> Halt:
    """Create a halt, and tell people who halted what and why.

    It comes back `effective` when nothing it covers is in flight, else `draining`.
    """
    await lock_out_intents(connection)
    halt = Halt(
        id=new_id("hlt"),
        scope=scope,
        reason=reason,
        status=HaltStatus.DRAINING,
        created_by=actor,
        created_at=await database_now(connection),
    )
    await connection.execute(
        insert(halts).values(
            id=halt.id,
            tenant=tenant,
            scope=scope.model_dump(mode="json"),
            reason=reason,
            status=halt.status.value,
            created_by=actor.model_dump(mode="json"),
            created_at=halt.created_at,
        )
    )
    created = audit_log.event(
        AuditType.HALT_CREATED, tenant=tenant, subject=halt.id, actor=actor, payload=halt
    )
    await audit_log.append(connection, created)
    told: dict[str, JsonValue] = {
        "event": "halt_created",
        "halt_id": halt.id,
        "reason_code": reason_code,
        "by": actor.key,
        "reason": reason,
        "scope": scope.model_dump(mode="json", exclude_defaults=True),
    }
    await outbox.put(connection, OutboxKind.NOTIFY, halt.id, told)
    settled = {one.id: one for one in await settle(connection)}
    return settled.get(halt.id, halt)


async def settle(connection: AsyncConnection) -> tuple[Halt, ...]:
    """Make every draining halt effective whose covered intents are past their call deadline; return those halts.

    Safe to run from several processes: a halt that another one settles is skipped.
    """
    draining = await connection.execute(
        select(halts)
        .where(halts.c.status == HaltStatus.DRAINING.value)
        .order_by(halts.c.id)
        .with_for_update(skip_locked=True)
    )
    rows = draining.all()
    if not rows:
        return ()
    in_flight = await _effects_in_flight(connection)
    now = await database_now(connection)
    settled = []
    for row in rows:
        halt = halt_of(row)
        if any(covers(halt.scope, effect) for effect in in_flight):
            continue
        halt = halt.model_copy(update={"status": HaltStatus.EFFECTIVE, "effective_at": now})
        await connection.execute(
            update(halts).where(halts.c.id == halt.id).values(status=halt.status.value, effective_at=now)
        )
        event = audit_log.event(
            AuditType.HALT_EFFECTIVE, tenant=row.tenant, subject=halt.id, actor=SYSTEM, payload=halt
        )
        await audit_log.append(connection, event)
        settled.append(halt)
    return tuple(settled)


async def tend(connection: AsyncConnection) -> None:
    """Do what nobody calls for: make halts effective that have drained, wake what still waits for ended ones."""
    await settle(connection)
    await wake_released(connection)


async def end(connection: AsyncConnection, halt_id: str, *, actor: Principal) -> Halt | None:
    """End a halt and wake what it holds. None when there is no such halt; ended ones stay as they are."""
    found = await connection.execute(select(halts).where(halts.c.id == halt_id).with_for_update())
    row = found.one_or_none()
    if row is None:
        return None
    halt = halt_of(row)
    if halt.status is HaltStatus.ENDED:
        return halt
    now = await database_now(connection)
    halt = halt.model_copy(update={"status": HaltStatus.ENDED, "ended_at": now})
    await connection.execute(
        update(halts).where(halts.c.id == halt_id).values(status=halt.status.value, ended_at=now)
    )
    ended = audit_log.event(
        AuditType.HALT_ENDED, tenant=row.tenant, subject=halt_id, actor=actor, payload=halt
    )
    await audit_log.append(connection, ended)
    await wake_released(connection)
    return halt


_WAKE_RELEASED = query(f"""
    WITH waiting AS MATERIALIZED (
        SELECT id, priority, created_at, execute_by FROM proposals
        WHERE starts_with(held_on, '{holds.HALT}') AND held_on IS NOT NULL AND state = 'ready' AND held_until IS NULL
            AND EXISTS (SELECT FROM halts h WHERE '{holds.HALT}' || h.id = held_on AND h.status = 'ended')
        FOR UPDATE SKIP LOCKED
    ), moment AS MATERIALIZED (
        SELECT clock_timestamp() AS now
    ), turns AS (
        SELECT id, now + least(
            (row_number() OVER (ORDER BY priority, created_at, id) - 1) * CAST(:apart AS interval),
            greatest((execute_by - now) / 2, interval '0')) AS turn
        FROM waiting CROSS JOIN moment
    ), noted AS (
        UPDATE proposals p SET held_until = turn FROM turns WHERE p.id = turns.id RETURNING p.id, held_on, turn
    )
    INSERT INTO outbox (kind, subject, payload, trace_context, due_at)
    SELECT '{OutboxKind.WAKE}', id, jsonb_build_object('held_on', held_on), CAST(:trace_context AS jsonb), turn
    FROM noted
    RETURNING pg_notify('{OUTBOX_CHANNEL}', '')""")  # noqa: S608  constants


async def wake_released(connection: AsyncConnection) -> None:
    """Wake what ended halts hold, one after the other: by priority, then first come.

    Each is woken once, and `held_until` notes when. A pass that is under way when the halt ends may write its hold only
    afterwards: the next call finds it.
    """
    trace_context: dict[str, str] = {}
    inject(trace_context)
    await _WAKE_RELEASED.rows(connection, {"apart": APART, "trace_context": json.dumps(trace_context)})


OPEN = select(halts).where(halts.c.status != HaltStatus.ENDED.value).order_by(halts.c.created_at, halts.c.id)
"""Every halt that has not ended, oldest first."""
_OPEN = fixed(OPEN)


async def open_halts(connection: AsyncConnection) -> tuple[Halt, ...]:
    """Return every halt that has not ended, oldest first. A draining one stops new effects already."""
    return tuple(halt_of(cast("Row[Any]", row)) for row in await _OPEN.rows(connection, {}))


def covering(found: Iterable[Halt], proposal: Row[Any]) -> Halt | None:
    """Return the first of these halts that stops the effect of this row of `proposals`, or None."""
    return next((halt for halt in found if covers(halt.scope, proposal)), None)


async def _effects_in_flight(connection: AsyncConnection) -> list[Row[Any, Any, Any, Any, Any]]:
    found = await connection.execute(
        select(
            proposals.c.tenant,
            proposals.c.environment,
            proposals.c.target_key,
            proposals.c.action_kind,
            proposals.c.draft,
        )
        .join_from(intents, proposals, intents.c.proposal_id == proposals.c.id)
        .where(intents.c.receipt.is_(None), intents.c.call_deadline > func.clock_timestamp())
    )
    return list(found.all())


def covers(scope: HaltScope, effect: Row[*tuple[Any, ...]]) -> bool:
    """Tell whether a scope covers the effect of a row of `proposals`."""
    return scope.covers(
        tenant=effect.tenant,
        environment=effect.environment,
        target_key=effect.target_key,
        action_kind=effect.action_kind,
        authors=[Principal.model_validate(author) for author in effect.draft["authors"]],
    )


def halt_of(row: Row[Any]) -> Halt:
    """Return the noun of a row."""
    return Halt(
        id=row.id,
        scope=HaltScope.model_validate(row.scope),
        reason=row.reason,
        status=HaltStatus(row.status),
        created_by=Principal.model_validate(row.created_by),
        created_at=row.created_at,
        effective_at=row.effective_at,
        ended_at=row.ended_at,
    )
