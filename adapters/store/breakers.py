"""Circuit breakers, shared by all processes and durable: closed, open after failures in a row, half-open for a probe.

An open breaker whose time is over becomes half-open when a guard pass admits the one proposal that probes it. A row
exists only once something has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.outbox import OutboxKind
from adapters.store.proposals import wake_held
from adapters.store.schema import breakers
from contracts.audit import AuditEvent, AuditType
from contracts.configuration import BreakerLimits
from contracts.principal import SYSTEM, Principal
from contracts.safety import Breaker, BreakerState

PROBE_LASTS = timedelta(hours=1)
"""A probe whose proposal has said nothing for this long gives way to another."""


def breaker_ids(target_key: str, action_kind: str) -> tuple[str, str]:
    """Return the breakers an effect passes through, in the order in which they are locked."""
    return (f"kind:{action_kind}", f"target:{target_key}")


def held_on(breaker_id: str) -> str:
    """Return the key under which proposals wait for a breaker."""
    return f"breaker:{breaker_id}"


async def record_outcome(
    connection: AsyncConnection,
    ids: Sequence[str],
    ok: bool,
    reason_code: str,
    limits: BreakerLimits,
    now: datetime,
    *,
    tenant: str = "default",
    proposal_id: str | None = None,
) -> None:
    """Count the outcome of an effect against its breakers, in the transaction that verifies it.

    A bad one raises the count of failures in a row and opens the breaker at the limit, or at once when it was the
    probe. A good one closes it, unless the breaker opened after that effect had begun. `proposal_id` tells the probe
    from effects that were already under way; without it the outcome counts as the probe's.
    """
    for breaker in await _locked(connection, ids, create=not ok):
        after = (
            _after_success(breaker, proposal_id) if ok else _after_failure(breaker, limits, now, reason_code)
        )
        if after != breaker:
            await _move(connection, breaker, after, tenant=tenant, actor=SYSTEM, reason_code=reason_code)


async def reset(
    connection: AsyncConnection, breaker_id: str, *, actor: Principal, reason: str, tenant: str = "default"
) -> Breaker | None:
    """Close a breaker on a person's word and wake what it holds. None when there is no such breaker."""
    found = await _locked(connection, [breaker_id], create=False)
    if not found:
        return None
    closed = Breaker(id=breaker_id, state=BreakerState.CLOSED, last_reason_code=found[0].last_reason_code)
    if closed != found[0]:
        await _move(
            connection,
            found[0],
            closed,
            tenant=tenant,
            actor=actor,
            reason_code="reset_by_operator",
            reason=reason,
        )
    return closed


async def all_breakers(connection: AsyncConnection) -> tuple[Breaker, ...]:
    """Return every breaker that ever counted a failure, by id."""
    found = await connection.execute(select(breakers).order_by(breakers.c.id))
    return tuple(breaker_of(row) for row in found.all())


async def release_probes(connection: AsyncConnection, proposal_id: str, *, tenant: str = "default") -> None:
    """Give back the probes of a proposal that closes without an effect, and wake the next that may probe."""
    found = await connection.execute(
        select(breakers)
        .where(breakers.c.probe_owner == proposal_id)
        .order_by(breakers.c.id)
        .with_for_update()
    )
    for breaker in [breaker_of(row) for row in found.all()]:
        waiting = breaker.model_copy(
            update={"state": BreakerState.OPEN, "probe_owner": None, "probe_expires_at": None}
        )
        batch = Batch()
        batch.add(_writing(waiting))
        batch.audit(_moved_event(breaker, waiting, tenant=tenant, actor=SYSTEM, reason_code="probe_released"))
        await batch.send(connection)
        await wake_held(connection, held_on(breaker.id))


def add_probe(batch: Batch, breaker: Breaker, proposal_id: str, now: datetime, *, tenant: str) -> None:
    """Let a proposal probe a breaker that the caller has locked and found due: it becomes half-open."""
    probing = breaker.model_copy(
        update={
            "state": BreakerState.HALF_OPEN,
            "probe_owner": proposal_id,
            "probe_expires_at": now + PROBE_LASTS,
        }
    )
    batch.add(_writing(probing))
    batch.audit(_moved_event(breaker, probing, tenant=tenant, actor=SYSTEM, reason_code="probe"))


def breaker_of(row: Row[Any]) -> Breaker:
    """Return the noun of a row."""
    return Breaker.model_validate(dict(row._mapping))  # noqa: SLF001


def _after_success(breaker: Breaker, proposal_id: str | None) -> Breaker:
    is_probe = proposal_id is None or breaker.probe_owner == proposal_id
    if breaker.state is not BreakerState.CLOSED and not is_probe:
        return breaker
    return Breaker(id=breaker.id, state=BreakerState.CLOSED, last_reason_code=breaker.last_reason_code)


def _after_failure(breaker: Breaker, limits: BreakerLimits, now: datetime, reason_code: str) -> Breaker:
    failures = breaker.consecutive_failures + 1
    counted = breaker.model_copy(update={"consecutive_failures": failures, "last_reason_code": reason_code})
    if breaker.state is BreakerState.CLOSED and failures < limits.failures:
        return counted
    return counted.model_copy(
        update={
            "state": BreakerState.OPEN,
            "opened_at": now,
            "open_until": now + limits.cooldown,
            "probe_owner": None,
            "probe_expires_at": None,
        }
    )


async def _locked(connection: AsyncConnection, ids: Sequence[str], *, create: bool) -> list[Breaker]:
    ordered = sorted(ids)
    if create:
        rows = [{"id": breaker_id, "state": BreakerState.CLOSED.value} for breaker_id in ordered]
        await connection.execute(insert(breakers).values(rows).on_conflict_do_nothing())
    found = await connection.execute(
        select(breakers).where(breakers.c.id.in_(ordered)).order_by(breakers.c.id).with_for_update()
    )
    return [breaker_of(row) for row in found.all()]


async def _move(
    connection: AsyncConnection,
    before: Breaker,
    after: Breaker,
    *,
    tenant: str,
    actor: Principal,
    reason_code: str,
    reason: str = "",
) -> None:
    batch = Batch()
    batch.add(_writing(after))
    batch.audit(
        _moved_event(before, after, tenant=tenant, actor=actor, reason_code=reason_code, reason=reason)
    )
    if after.state is BreakerState.OPEN and before.state is not BreakerState.OPEN:
        batch.queue(
            OutboxKind.NOTIFY,
            after.id,
            {"event": "breaker_open", "breaker_id": after.id, "reason_code": reason_code},
        )
    await batch.send(connection)
    if after.state is BreakerState.CLOSED and before.state is not BreakerState.CLOSED:
        await wake_held(connection, held_on(after.id), limit=None)


def _writing(breaker: Breaker) -> Update:
    values = breaker.model_dump(exclude={"id"}) | {"state": breaker.state.value}
    return update(breakers).where(breakers.c.id == breaker.id).values(values)


def _moved_event(
    before: Breaker, after: Breaker, *, tenant: str, actor: Principal, reason_code: str, reason: str = ""
) -> AuditEvent:
    payload: dict[str, object] = {
        "from": before.state.value,
        "to": after.state.value,
        "reason_code": reason_code,
        "reason": reason,
        "breaker": after.model_dump(mode="json"),
    }
    return audit_log.event(
        AuditType.BREAKER_MOVED, tenant=tenant, subject=after.id, actor=actor, payload=payload
    )
