"""Circuit breakers, shared by all processes and durable: closed, open after failures, half-open for one probe.

`contracts/circuit_breaker.py` says how one moves; here it moves, under its lock, with its audit event. A row exists
only once something has failed or a person opened it. Outcomes are kept beside it for as long as a window looks back:
each is the echo of an event that the audit log has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.breaker_openings import stopped_since
from adapters.store.database import database_now
from adapters.store.outbox import OutboxKind
from adapters.store.proposals import wake_held, wake_in_turn
from adapters.store.schema import breaker_outcomes, breakers
from adapters.store.writes import Write, updating
from contracts import circuit_breaker, holds
from contracts.audit import AuditEvent, AuditType
from contracts.circuit_breaker import (
    BreakerScope,
    Measure,
    Outcome,
    Tally,
    agent_breaker,
    effect_breakers,
    scope_of,
)
from contracts.configuration import BreakerLimits
from contracts.principal import SYSTEM, Principal
from contracts.safety import Breaker, BreakerState

__all__ = [
    "add_probe",
    "all_breakers",
    "breaker_ids",
    "breaker_of",
    "cool_down",
    "find",
    "forget_outcomes",
    "is_due",
    "mark_ready",
    "open_by_hand",
    "record",
    "release_probes",
    "reopen_after_read",
    "reset",
    "take_probe",
]

Draw = Callable[[], float]
"""Draws the share of the jitter that an opening gets, 0 to 1."""
_DRAW: Draw = random.SystemRandom().random


def breaker_ids(target_key: str, action_kind: str, agent: Principal | None = None) -> tuple[str, ...]:
    """Return the breakers a proposal passes through, in the order in which they are locked."""
    own = (agent_breaker(agent),) if agent is not None else ()
    return (*own, *effect_breakers(target_key, action_kind))


async def record(
    connection: AsyncConnection,
    outcomes: Iterable[Outcome],
    limits: BreakerLimits,
    now: datetime,
    *,
    tenant: str,
    draw: Draw = _DRAW,
) -> None:
    """Count outcomes, at most one per breaker, in the transaction that found them out.

    A failure may open its breaker, by any of the rules in `limits`; a success closes one that was half-open for it.
    """
    by_id = {one.breaker_id: one for one in outcomes}
    failed = [one.breaker_id for one in by_id.values() if one.ok is False]
    present = {one.id: one for one in await _locked(connection, sorted(by_id), create=failed)}
    await _keep(connection, [one for one in by_id.values() if one.ok is not None], now)
    for breaker_id, before in present.items():
        outcome = by_id[breaker_id]
        if outcome.ok is None:
            after = _without_probe(before, outcome.owner)
        elif outcome.ok:
            after = circuit_breaker.after_success(before, outcome.owner)
        else:
            tally = await _tally(connection, outcome, limits, now)
            after = circuit_breaker.after_failure(before, outcome, tally, limits, now, draw())
        if after != before:
            await _move(
                connection, before, after, tenant=tenant, actor=SYSTEM, reason_code=outcome.reason_code
            )


async def reset(
    connection: AsyncConnection, breaker_id: str, *, actor: Principal, reason: str, tenant: str
) -> Breaker | None:
    """Close a breaker on a person's word and wake what it holds. None when there is no such breaker."""
    found = await _locked(connection, [breaker_id])
    if not found:
        return None
    closed = circuit_breaker.closed(found[0])
    await _forget(connection, breaker_id)
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


async def open_by_hand(
    connection: AsyncConnection,
    breaker_id: str,
    *,
    actor: Principal,
    reason: str,
    lasts: timedelta | None,
    now: datetime,
    tenant: str,
) -> Breaker:
    """Open a breaker on a person's word, whether it ever failed or not; without `lasts` until a person closes it."""
    (before,) = await _locked(connection, [breaker_id], create=[breaker_id])
    after = circuit_breaker.opened_by_hand(before, now, lasts)
    code = after.last_reason_code or ""
    await _move(connection, before, after, tenant=tenant, actor=actor, reason_code=code, reason=reason)
    return after


async def all_breakers(connection: AsyncConnection) -> tuple[Breaker, ...]:
    """Return every breaker that ever counted a failure or was opened, by id."""
    found = await connection.execute(select(breakers).order_by(breakers.c.id))
    return tuple(breaker_of(row) for row in found.all())


async def release_probes(connection: AsyncConnection, owner: str, *, tenant: str) -> None:
    """Give back the probes of what closes without an outcome, and wake the next that may probe."""
    found = await connection.execute(
        select(breakers).where(breakers.c.probe_owner == owner).order_by(breakers.c.id).with_for_update()
    )
    for breaker in [breaker_of(row) for row in found.all()]:
        after = _without_probe(breaker, owner)
        await _move(connection, breaker, after, tenant=tenant, actor=SYSTEM, reason_code="probe_released")


def add_probe(batch: Batch, breaker: Breaker, proposal_id: str, now: datetime, *, tenant: str) -> None:
    """Let a proposal probe a breaker that the caller has locked and found due: it becomes half-open."""
    probing = circuit_breaker.probed_by(breaker, proposal_id, now)
    batch.add(_writing(probing))
    batch.audit(_moved_event(breaker, probing, tenant=tenant, actor=SYSTEM, reason_code="probe"))


async def take_probe(
    connection: AsyncConnection, breaker_id: str, owner: str, now: datetime, *, tenant: str
) -> bool:
    """Tell whether a breaker lets `owner` through, giving it the one probe where it is due."""
    found = await _locked(connection, [breaker_id])
    if not found or found[0].state is BreakerState.CLOSED:
        return True
    if circuit_breaker.stops(found[0], owner, now):
        return False
    batch = Batch()
    add_probe(batch, found[0], owner, now, tenant=tenant)
    await batch.send(connection)
    return True


async def mark_ready(
    connection: AsyncConnection, now: datetime, *, read: Breaker | None = None, tenant: str
) -> int:
    """Let the probes go whose breaker's time is over, and wake the first that each holds. Return how many.

    `read` is a breaker whose read succeeded; without it, all go that await no read. One that another process deals
    with is skipped, one that moved meanwhile is left alone.
    """
    open_for_long = (breakers.c.state == BreakerState.OPEN.value, breakers.c.ready_at.is_(None))
    wanted = select(breakers).where(*open_for_long, breakers.c.open_until <= now)
    if read is not None:
        wanted = wanted.where(breakers.c.id == read.id, breakers.c.opened_at == read.opened_at)
    locked = wanted.order_by(breakers.c.id).with_for_update(skip_locked=True)
    done = 0
    for breaker in [breaker_of(row) for row in (await connection.execute(locked)).all()]:
        if read is None and circuit_breaker.awaits_read(breaker, now):
            continue
        after = circuit_breaker.made_ready(breaker, now)
        code = "read_succeeded" if read is not None else "cooled_down"
        await _move(connection, breaker, after, tenant=tenant, actor=SYSTEM, reason_code=code)
        done += 1
    return done


async def cool_down(connection: AsyncConnection, *, tenant: str) -> int:
    """Do what `mark_ready` does, by the database's clock."""
    return await mark_ready(connection, await database_now(connection), tenant=tenant)


async def find(connection: AsyncConnection, breaker_id: str) -> Breaker | None:
    """Return a breaker without locking it, or None."""
    found = (await connection.execute(select(breakers).where(breakers.c.id == breaker_id))).one_or_none()
    return None if found is None else breaker_of(found)


async def is_due(connection: AsyncConnection, held_on: str, now: datetime) -> bool:
    """Tell whether this key is that of a breaker which the first that comes may probe."""
    if not held_on.startswith(holds.BREAKER):
        return False
    found = await find(connection, held_on.removeprefix(holds.BREAKER))
    if found is None or found.state is BreakerState.CLOSED:
        return False
    return not circuit_breaker.stops(found, "", now)


async def reopen_after_read(
    connection: AsyncConnection,
    read: Breaker,
    reason_code: str,
    limits: BreakerLimits,
    now: datetime,
    *,
    tenant: str,
    draw: Draw = _DRAW,
) -> bool:
    """Keep a breaker open whose read failed, for its next cooldown. False: it moved since it was read."""
    found = await _locked(connection, [read.id])
    if not found or found[0].opened_at != read.opened_at or not circuit_breaker.is_cool(found[0], now):
        return False
    after = circuit_breaker.after_failed_read(found[0], limits, now, draw(), reason_code)
    await _move(connection, found[0], after, tenant=tenant, actor=SYSTEM, reason_code=reason_code)
    return True


async def forget_outcomes(connection: AsyncConnection, before: datetime) -> int:
    """Delete outcomes that no window looks back to any more; return how many."""
    return (await connection.execute(delete(breaker_outcomes).where(breaker_outcomes.c.at < before))).rowcount


def breaker_of(row: Row[Any]) -> Breaker:
    """Return the noun of a row."""
    return Breaker.model_validate(dict(row._mapping))  # noqa: SLF001


def _without_probe(breaker: Breaker, owner: str | None) -> Breaker:
    is_own = breaker.state is BreakerState.HALF_OPEN and breaker.probe_owner == owner
    return circuit_breaker.given_back(breaker) if is_own else breaker


async def _keep(connection: AsyncConnection, outcomes: Sequence[Outcome], now: datetime) -> None:
    if outcomes:
        values = [
            {
                "breaker_id": one.breaker_id,
                "measure": one.measure.value,
                "subject": one.owner,
                "ok": one.ok,
                "at": now,
            }
            for one in outcomes
        ]
        await connection.execute(insert(breaker_outcomes).values(values))


async def _tally(
    connection: AsyncConnection, outcome: Outcome, limits: BreakerLimits, now: datetime
) -> Tally:
    """Count inside the window, an agent's by proposal. What a clock that went back left in the future counts too."""
    is_agent = scope_of(outcome.breaker_id) is BreakerScope.AGENT
    window = limits.agent.window if is_agent else limits.window
    counted = func.count(breaker_outcomes.c.subject.distinct()) if is_agent else func.count()
    counts = select(counted, counted.filter(~breaker_outcomes.c.ok)).where(
        breaker_outcomes.c.breaker_id == outcome.breaker_id,
        breaker_outcomes.c.measure == Measure(outcome.measure).value,
        breaker_outcomes.c.at > now - window,
    )
    row = (await connection.execute(counts)).one()
    return Tally(outcomes=row[0], failures=row[1])


async def _forget(connection: AsyncConnection, breaker_id: str) -> None:
    """A breaker that closes begins anew: what opened it does not count again."""
    await connection.execute(delete(breaker_outcomes).where(breaker_outcomes.c.breaker_id == breaker_id))


async def _locked(
    connection: AsyncConnection, ids: Sequence[str], *, create: Sequence[str] = ()
) -> list[Breaker]:
    if create:
        rows = [{"id": breaker_id, "state": BreakerState.CLOSED.value} for breaker_id in sorted(create)]
        await connection.execute(insert(breakers).values(rows).on_conflict_do_nothing())
    found = await connection.execute(
        select(breakers).where(breakers.c.id.in_(list(ids))).order_by(breakers.c.id).with_for_update()
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
    """Write a move with its event; tell people of each opening, and wake what may go on."""
    if after == before:
        return
    batch = Batch()
    batch.add(_writing(after))
    batch.audit(
        _moved_event(before, after, tenant=tenant, actor=actor, reason_code=reason_code, reason=reason)
    )
    if _opens(before, after):
        batch.queue(
            OutboxKind.NOTIFY,
            after.id,
            {
                "event": "breaker_open",
                "breaker_id": after.id,
                "reason_code": reason_code,
                "reopened": before.state is not BreakerState.CLOSED,
            },
        )
    await batch.send(connection)
    if after.state is BreakerState.CLOSED and before.state is not BreakerState.CLOSED:
        await _forget(connection, after.id)
        await wake_in_turn(connection, holds.on_breaker(after.id), await stopped_since(connection, before))
    elif _may_be_probed(before, after):
        await wake_held(connection, holds.on_breaker(after.id))


def _opens(before: Breaker, after: Breaker) -> bool:
    """Tell whether a move opens a breaker, be it anew. A probe that is given back opens nothing."""
    if after.state is not BreakerState.OPEN:
        return False
    first = before.state is BreakerState.CLOSED
    return first or (before.openings, before.opened_at) != (after.openings, after.opened_at)


def _may_be_probed(before: Breaker, after: Breaker) -> bool:
    """Tell whether a move makes room for the next probe: the last one was given back, or the breaker became ready."""
    if after.state is not BreakerState.OPEN or _opens(before, after):
        return False
    return before.state is BreakerState.HALF_OPEN or (before.ready_at is None and after.ready_at is not None)


def _writing(breaker: Breaker) -> Write:
    values = breaker.model_dump(exclude={"id"}) | {"state": breaker.state.value}
    return updating(breakers, values, where={"id": breaker.id})


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
