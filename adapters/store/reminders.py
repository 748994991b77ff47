"""APPROVAL, while nobody decides: who can is reminded, others are told, somebody is paged. One sweep for all proposals.

Each step happens once per wait, by a row; a proposal that is locked is left to the next round, and one that was decided
is never touched. Several sweeps may run side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, outbox
from adapters.store.batch import Batch
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.schema import reminders
from contracts.audit import AuditType
from contracts.configuration import ConfigurationSource, NotificationEvent
from contracts.configuration.escalation import Reminders, ReminderStep
from contracts.principal import SYSTEM

AT_ONCE = 200
"""Steps in one transaction."""
MOST = 20
"""Transactions in one round; what is left comes in the next."""

EVENTS = {
    ReminderStep.REMIND: NotificationEvent.REMINDER,
    ReminderStep.ESCALATE: NotificationEvent.ESCALATED,
    ReminderStep.PAGE: NotificationEvent.PAGE,
}

# Deadlines are compared by the database's clock. The lock is kept to the commit: who decides meanwhile waits, so nobody
# is reminded of what is decided already.
_DUE = text("""
SELECT p.id, p.revision, p.state_since, p.decide_by, s.step,
    (SELECT e.document -> 'requirement' FROM evaluations e
        WHERE e.proposal_id = p.id AND e.revision = p.revision ORDER BY e.pass_number DESC LIMIT 1) AS requirement
FROM proposals p
CROSS JOIN (SELECT clock_timestamp() AS now) AS clock
CROSS JOIN unnest(CAST(:steps AS text[]), CAST(:shares AS float8[]), CAST(:seconds AS float8[]))
    AS s (step, share, seconds)
WHERE p.tenant = :tenant AND p.state = 'awaiting_approval' AND p.decide_by > clock.now
    AND p.state_since + coalesce(s.share * (p.decide_by - p.state_since), make_interval(secs => s.seconds))
        <= clock.now
    AND NOT EXISTS (SELECT 1 FROM reminders r
        WHERE r.proposal_id = p.id AND r.waiting_since = p.state_since AND r.step = s.step)
ORDER BY p.decide_by, p.id
LIMIT :most
FOR NO KEY UPDATE OF p SKIP LOCKED
""")


async def remind(database: Database, source: ConfigurationSource) -> int:
    """Do every step that is due, by the configuration of this moment, and return how many were."""
    configuration, done = source.current, 0
    for _ in range(MOST):
        async with database.transaction() as connection:
            found = await _round(connection, configuration.tenant, configuration.approval.reminders)
        done += found
        if found < AT_ONCE:
            break
    return done


async def _round(connection: AsyncConnection, tenant: str, rules: Reminders) -> int:
    due = rules.steps
    if not due:
        return 0
    given = {
        "tenant": tenant,
        "steps": [step.value for step in due],
        "shares": [one.share for one in due.values()],
        "seconds": [one.after.total_seconds() if one.after else None for one in due.values()],
        "most": AT_ONCE,
    }
    rows = (await connection.execute(_DUE, given)).all()
    if not rows:
        return 0
    told = await _note(connection, rows)
    batch = Batch()
    for row in rows:
        if (row.id, row.state_since, row.step) in told:
            _tell(batch, tenant, row, rules)
    await batch.send(connection)
    return len(told)


async def _note(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> set[tuple[str, datetime, str]]:
    """Insert a row per step. One that another sweep noted since is not told again."""
    values = [
        {
            "proposal_id": row.id,
            "waiting_since": row.state_since,
            "step": row.step,
            "revision": row.revision,
        }
        for row in rows
    ]
    noted = await connection.execute(
        insert(reminders)
        .values(values)
        .on_conflict_do_nothing()
        .returning(reminders.c.proposal_id, reminders.c.waiting_since, reminders.c.step)
    )
    return {(row.proposal_id, row.waiting_since, row.step) for row in noted.all()}


def _tell(batch: Batch, tenant: str, row: Row[Any], rules: Reminders) -> None:
    step = ReminderStep(row.step)
    asked = row.requirement or {}
    told = {"roles": asked.get("roles", []), "groups": asked.get("groups", [])}
    if step is not ReminderStep.REMIND:
        told = rules.escalate_to.model_dump(mode="json")
    notice = outbox.notice(EVENTS[step], row.id, "nobody_decided")
    batch.queue(OutboxKind.NOTIFY, row.id, notice | {"tell": told})
    payload: dict[str, object] = {
        "proposal_id": row.id,
        "revision": row.revision,
        "step": step.value,
        "waiting_since": row.state_since.isoformat(),
        "decide_by": row.decide_by.isoformat(),
        "told": told,
    }
    batch.audit(
        audit_log.event(
            AuditType.PROPOSAL_REMINDED, tenant=tenant, subject=row.id, actor=SYSTEM, payload=payload
        )
    )
