"""How much waits, for `/metrics`: small aggregate reads over partial indexes, none of which grows with history."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import break_glass
from adapters.store.schema import audit_events, breakers, halts, outbox, proposals
from contracts.proposal import ProposalState
from contracts.safety import BreakerState, HaltStatus

_TRIED_IN_VAIN = (outbox.c.attempts > 1) | outbox.c.last_error.is_not(None)
# A claim pushes `due_at` ahead. Until the first one has come to nothing, a wake for a later moment is in time.
_LATE_SINCE = case((_TRIED_IN_VAIN, outbox.c.created_at), else_=outbox.c.due_at)

LIVE_STATES = tuple(state for state in ProposalState if not state.is_final or state is ProposalState.DIRTY)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Counts, and ages in seconds of the oldest (0 when there is none)."""

    proposals: dict[ProposalState, int]
    """Of every state that is not final, and of `dirty`."""
    outbox_rows: int
    outbox_oldest: float
    """How late the latest delivery is. One that is to be made at a later moment is not late."""
    unnumbered_events: int
    unnumbered_oldest: float
    halts: int
    open_breakers: int
    grants: dict[str, int]
    """Break-glass: how many wait for a second person, count, or wait for their review."""


async def measure(connection: AsyncConnection, tenant: str) -> Backlog:
    """Count what waits."""
    live = [state.value for state in LIVE_STATES]
    counted = await connection.execute(
        select(proposals.c.state, func.count())
        .where(proposals.c.tenant == tenant, proposals.c.state.in_(live))
        .group_by(proposals.c.state)
    )
    found = {ProposalState(state): count for state, count in counted.all()}
    now = func.clock_timestamp()
    rows = (
        await connection.execute(
            select(func.count(), func.extract("epoch", now - func.min(_LATE_SINCE))).where(
                outbox.c.done_at.is_(None)
            )
        )
    ).one()
    events = (
        await connection.execute(
            select(func.count(), func.extract("epoch", now - func.min(audit_events.c.created_at))).where(
                audit_events.c.number.is_(None)
            )
        )
    ).one()
    open_halts = select(func.count()).select_from(halts).where(halts.c.status != HaltStatus.ENDED.value)
    open_breakers = (
        select(func.count()).select_from(breakers).where(breakers.c.state != BreakerState.CLOSED.value)
    )
    return Backlog(
        proposals={state: found.get(state, 0) for state in LIVE_STATES},
        outbox_rows=rows[0],
        outbox_oldest=max(0.0, float(rows[1] or 0)),
        unnumbered_events=events[0],
        unnumbered_oldest=float(events[1] or 0),
        halts=(await connection.execute(open_halts)).scalar_one(),
        open_breakers=(await connection.execute(open_breakers)).scalar_one(),
        grants=dict(await break_glass.count_by_status(connection)),
    )
