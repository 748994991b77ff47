"""The budget ledger: reserve before the effect, commit after it, release when there is none. Entries are only added.

`budget_windows` holds the running sums and is what is locked, always in the order of scope and window. Every
function expects the proposal's row to be locked by the caller, so that one proposal never posts twice at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.schema import budget_windows, ledger_entries, proposals
from contracts.audit import AuditType
from contracts.errors import SluiceError
from contracts.principal import SYSTEM

EntryKind = Literal["reserve", "commit", "release"]
WindowKey = tuple[str, str]
"""Scope and window, for example `("environment=production", "month:2026-11")`."""


class LedgerInconsistent(SluiceError):
    """A posting met a budget window that is not there."""

    reason_code = "ledger_inconsistent"


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in one budget window."""

    scope: str
    window: str
    currency: str
    amount: Decimal

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)


@dataclass(frozen=True, slots=True)
class Balance:
    """The sums of one budget window over all proposals."""

    scope: str
    window: str
    currency: str
    reserved: Decimal
    committed: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """What one proposal still has reserved in one budget window, and how often it posted there."""

    scope: str
    window: str
    currency: str
    reserved: Decimal
    postings: dict[str, int] = field(default_factory=dict)
    """Entry kind → number of entries."""

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry to come."""

    scope: str
    window: str
    currency: str
    kind: EntryKind
    amount: Decimal
    posting: int


def plan_reservation(
    positions: Iterable[Position], wanted: Iterable[Amount], *, shrink: bool
) -> list[Posting]:
    """Return the postings that bring a proposal's reservation to `wanted`. None when it is there already.

    A window that is no longer wanted is released. Within a wanted window too much is given back only with `shrink`:
    time alone makes a change cheaper, and giving back cents at every pass would be noise.
    """
    held = {position.key: position for position in positions}
    aims = {amount.key: amount for amount in wanted}
    postings = []
    for key in sorted(held.keys() | aims.keys()):
        position = held.get(key) or Position(*key, aims[key].currency, Decimal(0))
        aim = aims[key].amount if key in aims else Decimal(0)
        if aim > position.reserved:
            postings.append(_posting(position, "reserve", aim - position.reserved))
        elif aim < position.reserved and (shrink or key not in aims):
            postings.append(_posting(position, "release", position.reserved - aim))
    return postings


def add_postings(batch: Batch, tenant: str, proposal_id: str, postings: Iterable[Posting]) -> None:
    """Add entries, new sums and audit events to a batch. The windows are locked by the caller."""
    for one in postings:
        entry = {
            "tenant": tenant,
            "proposal_id": proposal_id,
            "scope": one.scope,
            "window": one.window,
            "currency": one.currency,
            "kind": one.kind,
            "posting": one.posting,
        }
        batch.add(insert(ledger_entries).values(**entry, amount=one.amount))
        reserved = one.amount if one.kind == "reserve" else -one.amount
        committed = one.amount if one.kind == "commit" else Decimal(0)
        window = (
            budget_windows.c.tenant == tenant,
            budget_windows.c.scope == one.scope,
            budget_windows.c.window == one.window,
        )
        sums = update(budget_windows).where(*window)
        batch.add(
            sums.values(
                reserved=budget_windows.c.reserved + reserved,
                committed=budget_windows.c.committed + committed,
            ),
            otherwise=LedgerInconsistent(f"no budget window {one.scope} {one.window}"),
        )
        payload: dict[str, object] = {**entry, "amount": str(one.amount)}
        batch.audit(
            audit_log.event(
                AuditType.LEDGER_POSTED, tenant=tenant, subject=proposal_id, actor=SYSTEM, payload=payload
            )
        )


async def lock_windows(
    connection: AsyncConnection, tenant: str, windows: Iterable[tuple[str, str, str]]
) -> tuple[Balance, ...]:
    """Lock budget windows, given as (scope, window, currency), in their fixed order; create the missing ones."""
    ordered = sorted(set(windows))
    if not ordered:
        return ()
    rows = [
        {"tenant": tenant, "scope": scope, "window": window, "currency": currency}
        for scope, window, currency in ordered
    ]
    await connection.execute(upsert(budget_windows).values(rows).on_conflict_do_nothing())
    keys = [(scope, window) for scope, window, _ in ordered]
    locked = await connection.execute(
        select(budget_windows)
        .where(
            budget_windows.c.tenant == tenant,
            func.row(budget_windows.c.scope, budget_windows.c.window).in_(keys),
        )
        .order_by(budget_windows.c.scope.collate("C"), budget_windows.c.window.collate("C"))
        .with_for_update()
    )
    return tuple(
        Balance(row.scope, row.window, row.currency, row.reserved, row.committed) for row in locked.all()
    )


async def positions_of(connection: AsyncConnection, proposal_id: str) -> tuple[Position, ...]:
    """Return what a proposal has reserved, per budget window it ever posted to."""
    entries = ledger_entries.c
    signed = case((entries.kind == "reserve", entries.amount), else_=-entries.amount)
    counts = {
        kind: func.count().filter(entries.kind == kind).label(kind)
        for kind in ("reserve", "commit", "release")
    }
    found = await connection.execute(
        select(
            entries.scope, entries.window, entries.currency, func.sum(signed).label("open"), *counts.values()
        )
        .where(entries.proposal_id == proposal_id)
        .group_by(entries.scope, entries.window, entries.currency)
    )
    return tuple(
        Position(
            row.scope,
            row.window,
            row.currency,
            row.open,
            {kind: int(row._mapping[kind]) for kind in counts},  # noqa: SLF001
        )
        for row in found.all()
    )


async def reserve(
    connection: AsyncConnection,
    tenant: str,
    proposal_id: str,
    wanted: Sequence[Amount],
    *,
    shrink: bool = True,
) -> None:
    """Bring the proposal's reservation to these amounts. A second call changes nothing. Caps are the caller's."""
    positions = await positions_of(connection, proposal_id)
    await _post(connection, tenant, proposal_id, plan_reservation(positions, wanted, shrink=shrink))


async def commit_all(connection: AsyncConnection, proposal_id: str) -> None:
    """Turn everything the proposal has reserved into money spent. A second call changes nothing."""
    await _settle(connection, proposal_id, "commit")


async def release_all(connection: AsyncConnection, proposal_id: str) -> None:
    """Give back everything the proposal has reserved. A second call changes nothing."""
    await _settle(connection, proposal_id, "release")


async def _settle(connection: AsyncConnection, proposal_id: str, kind: EntryKind) -> None:
    open_positions = [one for one in await positions_of(connection, proposal_id) if one.reserved > 0]
    if open_positions:
        tenant = select(proposals.c.tenant).where(proposals.c.id == proposal_id)
        postings = [_posting(one, kind, one.reserved) for one in open_positions]
        await _post(connection, (await connection.execute(tenant)).scalar_one(), proposal_id, postings)


async def _post(
    connection: AsyncConnection, tenant: str, proposal_id: str, postings: Sequence[Posting]
) -> None:
    await lock_windows(connection, tenant, [(one.scope, one.window, one.currency) for one in postings])
    batch = Batch()
    add_postings(batch, tenant, proposal_id, postings)
    await batch.send(connection)


def _posting(position: Position, kind: EntryKind, amount: Decimal) -> Posting:
    number = position.postings.get(kind, 0) + 1
    return Posting(position.scope, position.window, position.currency, kind, amount, number)
