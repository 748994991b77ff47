"""Money of changes: reserved before the effect, committed by what was verified, released when there was none.

Every function expects the proposal's row to be locked by the caller, so that one proposal never posts twice at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.batch import Batch
from adapters.store.ledger import windows
from adapters.store.ledger.accounts import (
    ZERO,
    Balance,
    Cap,
    Position,
    Posting,
    Subject,
    Wanted,
    WindowKey,
)
from adapters.store.ledger.planning import Share, plan_settlement, plan_spending
from adapters.store.ledger.positions import positions_of
from adapters.store.ledger.posting import NO_CAPS, add_postings
from adapters.store.schema import proposals


async def lock_windows(
    connection: AsyncConnection, tenant: str, wanted: Iterable[tuple[str, str, str] | Wanted]
) -> tuple[Balance, ...]:
    """Lock budget windows in their fixed order; make the missing ones and post their openings."""
    found = await windows.lock(connection, tenant, [Wanted(*one) for one in wanted])
    batch = Batch()
    add_postings(batch, Subject(tenant), (), found)
    await batch.send(connection)
    return tuple(replace(one, is_new=False) for one in found)


def add_settlement(
    batch: Batch,
    subject: Subject,
    positions: Sequence[Position],
    shares: Sequence[Share],
    hourly: Decimal,
    *,
    balances: Sequence[Balance],
    caps: Mapping[WindowKey, Cap] = NO_CAPS,
) -> None:
    """Turn a reservation into what the verified change costs: `hourly`, negative when it saves. Once per proposal.

    `shares` are the windows it runs in, `balances` these and those of `positions`, locked by the caller.
    """
    known = {one.key: one for one in balances}
    held = [one for one in positions if one.reserved > 0 or one.key in {share.key for share in shares}]
    postings = plan_settlement(held, shares, known, hourly)
    add_postings(batch, subject, postings, balances, caps)


def windows_of(shares: Iterable[Share], positions: Iterable[Position]) -> list[Wanted]:
    """Return every window that a settlement posts to."""
    held = [Wanted(one.scope, one.window, one.currency) for one in positions if one.reserved > 0]
    return [share.wanted for share in shares] + held


async def commit_all(connection: AsyncConnection, proposal_id: str) -> None:
    """Turn everything the proposal has reserved into money spent, for want of a verified size. Repeatable."""
    open_positions = await _open_positions(connection, proposal_id)
    postings = [entry for one in open_positions for entry in plan_spending(one, one.reserved)]
    await _close(connection, proposal_id, postings)


async def release_all(connection: AsyncConnection, proposal_id: str) -> bool:
    """Give back everything the proposal has reserved, and tell whether there was any. Repeatable."""
    open_positions = await _open_positions(connection, proposal_id)
    postings = [entry for one in open_positions for entry in plan_spending(one, ZERO)]
    await _close(connection, proposal_id, postings)
    return bool(postings)


async def post(
    connection: AsyncConnection,
    subject: Subject,
    postings: Sequence[Posting],
    wanted: Iterable[Wanted] = (),
    caps: Mapping[WindowKey, Cap] = NO_CAPS,
) -> None:
    """Lock the windows of these postings, and of `wanted`, and write everything."""
    needed = [Wanted(one.scope, one.window, one.currency) for one in postings]
    if not postings:
        return
    locked = await windows.lock(connection, subject.tenant, [*needed, *wanted])
    batch = Batch()
    add_postings(batch, subject, postings, locked, caps)
    await batch.send(connection)


async def _open_positions(connection: AsyncConnection, proposal_id: str) -> list[Position]:
    return [one for one in await positions_of(connection, proposal_id) if one.reserved > 0]


async def _close(connection: AsyncConnection, proposal_id: str, postings: Sequence[Posting]) -> None:
    if postings:
        tenant = (
            await connection.execute(select(proposals.c.tenant).where(proposals.c.id == proposal_id))
        ).scalar_one()
        await post(connection, Subject(tenant, proposal_id=proposal_id), postings)
