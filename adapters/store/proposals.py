"""Proposals: created once, moved only along the table in `contracts/proposal.py`, each move with its audit event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from pydantic import JsonValue
from sqlalchemy import func, select, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, outbox
from adapters.store.batch import Batch
from adapters.store.driver import Query, query
from adapters.store.outbox import OutboxKind
from adapters.store.schema import proposals
from adapters.store.writes import NOW, Write, execute, inserting, updating
from contracts.action import ACTION
from contracts.audit import AuditType
from contracts.configuration import NotificationEvent
from contracts.errors import IllegalTransition, NotFound
from contracts.evaluation import RiskTier
from contracts.principal import Principal
from contracts.proposal import TRANSITIONS, Draft, Proposal, ProposalState


async def create(connection: AsyncConnection, draft: Draft) -> None:
    """Insert a proposal in state `evaluating` with its audit event. The caller adds the outbox row or the child."""
    stored = {
        "id": draft.id,
        "tenant": draft.tenant,
        "request_id": draft.request_id,
        "revision": draft.revision,
        "state": ProposalState.EVALUATING.value,
        "draft": draft.model_dump(mode="json"),
        "target_key": draft.action.target.key,
        "action_kind": draft.action.kind,
        "environment": draft.environment,
        "team": draft.team,
        "requester": draft.requester.key,
        "agent": draft.agent_name,
        "priority": draft.priority,
        "decide_by": draft.decide_by,
        "execute_by": draft.execute_by,
        "dry_run": draft.dry_run,
        "created_at": draft.created_at,
    }
    created = audit_log.event(
        AuditType.PROPOSAL_CREATED,
        tenant=draft.tenant,
        subject=draft.id,
        actor=draft.authors[-1],
        payload=draft,
    )
    batch = Batch()
    batch.add(inserting(proposals, stored))
    batch.audit(created)
    await batch.send(connection)


_LOCK = query("""
    WITH locked AS MATERIALIZED (SELECT * FROM proposals WHERE id = :proposal_id FOR UPDATE)
    SELECT locked.*, clock_timestamp() AS now FROM locked""")


async def lock(connection: AsyncConnection, proposal_id: str, locking: Query = _LOCK) -> Row[Any]:
    """Return the proposal's row, locked until the transaction ends. First in the fixed order of locks.

    Its `now` is the database's clock, read under the lock. `locking`: a statement that locks more with it.

    Raises:
        NotFound: there is no such proposal.
    """
    row = await locking.first_row(connection, {"proposal_id": proposal_id})
    if row is None:
        raise NotFound(f"there is no proposal {proposal_id}")
    return cast("Row[Any]", row)


async def move(
    connection: AsyncConnection,
    row: Row[Any],
    to: ProposalState,
    *,
    actor: Principal,
    reason_code: str,
    message: str = "",
    proposal: Proposal | None = None,
    risk: RiskTier | None = None,
    facts: Mapping[str, JsonValue] | None = None,
) -> None:
    """Move a locked proposal to another state, with its audit event, in the caller's transaction.

    `proposal` and `risk` are given when the move also fixes the observed document, its digest and tier. A move to
    `dirty` or `awaiting_approval` queues the notification. `row` is what `lock` returned; its `state` is the
    present one.

    Raises:
        IllegalTransition: the state table has no such edge, or `row` is no longer how the proposal stands.
    """
    batch = Batch()
    add_move(
        batch,
        row,
        to,
        actor=actor,
        reason_code=reason_code,
        message=message,
        proposal=proposal,
        risk=risk,
        facts=facts,
    )
    await batch.send(connection)


def add_move(
    batch: Batch,
    row: Row[Any],
    to: ProposalState,
    *,
    actor: Principal,
    reason_code: str,
    message: str = "",
    proposal: Proposal | None = None,
    risk: RiskTier | None = None,
    facts: Mapping[str, JsonValue] | None = None,
) -> None:
    """Add the writes of `move` to a batch.

    Raises:
        IllegalTransition: the state table has no such edge. Sending raises it when `row` is out of date.
    """
    present = ProposalState(row.state)
    if to not in TRANSITIONS.get(present, frozenset()):
        raise IllegalTransition(f"{row.id}: {present} → {to}")
    values = {"reason_code": reason_code, "message": message} | _columns(to, risk)
    payload: dict[str, object] = {
        "proposal_id": row.id,
        "revision": row.revision,
        "from": present.value,
        "to": to.value,
        "reason_code": reason_code,
        "message": message,
        "facts": dict(facts or {}),
    }
    if proposal is not None:
        document, digest = proposal.model_dump(mode="json"), proposal.digest
        payload |= {"proposal": document, "digest": digest}
        values |= {"document": document, "digest": digest}
        values |= {"decide_by": proposal.decide_by, "execute_by": proposal.execute_by}
    if risk is not None:
        payload |= {"risk": risk.value}
    unchanged = {"id": row.id, "state": present.value, "revision": row.revision}
    gone = IllegalTransition(f"{row.id}: no longer {present} at revision {row.revision}")
    batch.add(updating(proposals, values, where=unchanged), otherwise=gone)
    moved = AuditType.PROPOSAL_MOVED
    batch.audit(audit_log.event(moved, tenant=row.tenant, subject=row.id, actor=actor, payload=payload))
    named = _NOTIFIED.get(to)
    if named is not None:
        batch.queue(OutboxKind.NOTIFY, row.id, outbox.notice(named, row.id, reason_code))


def domain_of(row: Row[Any]) -> str:
    """Return what the lease of a proposal is on."""
    return ACTION.validate_python(row.draft["action"]).target.serialisation_domain


def _columns(to: ProposalState, risk: RiskTier | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": to.value,
        "state_since": NOW,
        "held_on": None,
        "held_until": None,
    }
    if to.is_final:
        values["closed_at"] = NOW
    if risk is not None:
        values["risk"] = risk.value
    return values


_NOTIFIED = {
    ProposalState.AWAITING_APPROVAL: NotificationEvent.WAITING,
    ProposalState.DIRTY: NotificationEvent.DIRTY,
}


async def hold(
    connection: AsyncConnection, row: Row[Any], held_on: str, reason_code: str, message: str
) -> None:
    """Note on a locked `ready` proposal what holds it; `wake_held` finds it by this key."""
    await execute(connection, holding(row, held_on, reason_code, message))


def holding(
    row: Row[Any], held_on: str | None, reason_code: str, message: str, until: datetime | None = None
) -> Write:
    """Return the write that `hold` runs. `until`: when that frees by itself, or was free, where it is known."""
    values = {"held_on": held_on, "held_until": until, "reason_code": reason_code, "message": message}
    return updating(proposals, values, where={"id": row.id})


async def wake_held(connection: AsyncConnection, held_on: str) -> None:
    """Queue a wake signal for the first that `held_on` holds: by priority, then first come."""
    batch = Batch()
    batch.put(outbox.waking(held_on))
    await batch.send(connection)


TURNS_WITHIN = timedelta(minutes=10)
"""The last one's turn comes by then, however long all of them have waited."""
SLOWER = 1.5
"""What is new comes meanwhile, too: both together stay below twice the usual."""


async def wake_in_turn(connection: AsyncConnection, held_on: str, stopped_since: datetime | None) -> None:
    """Let what `held_on` held go, half again as slowly as it gathered, by priority, then first come.

    It gathered from `stopped_since` on: before that they waited for something else. Each is woken when its turn has
    come; `held_until` says so to the guard pass that asks before. A proposal that has little time left does not wait
    longer than half of it. The caller may hold locks that come after a proposal's: a row that somebody else has locked
    is in a pass by now, and is only woken.
    """
    waiting = select(proposals).where(
        proposals.c.held_on == held_on, proposals.c.state == ProposalState.READY.value
    )
    in_order = (proposals.c.priority, proposals.c.created_at, proposals.c.id)
    rows = (await connection.execute(waiting.order_by(*in_order))).all()
    if not rows:
        return
    now = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    began = min(row.state_since for row in rows)
    gathered = max(now - max(began, stopped_since or began), timedelta(0))
    within = min(SLOWER * gathered, TURNS_WITHIN)
    turns = {
        row.id: now + max(timedelta(0), min(within * place / len(rows), (row.execute_by - now) / 2))
        for place, row in enumerate(rows)
    }
    free = waiting.with_only_columns(proposals.c.id).order_by(proposals.c.id)
    mine = (await connection.execute(free.with_for_update(skip_locked=True))).scalars().all()
    for proposal_id in mine:
        await connection.execute(
            update(proposals)
            .where(proposals.c.id == proposal_id)
            .values(held_until=turns.get(proposal_id, now))
        )
    for proposal_id, turn in turns.items():
        wake = outbox.inserting(OutboxKind.WAKE, proposal_id, {"held_on": held_on}, due_at=turn)
        await execute(connection, wake)
    await connection.execute(select(func.pg_notify(outbox.OUTBOX_CHANNEL, "")))
