"""Windows and amounts for the ledger's tests."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import select

from adapters.store import ledger
from adapters.store.database import Database
from adapters.store.ledger import Amount, Balance, Cap, Share, windows
from adapters.store.schema import audit_events, budget_windows, ledger_entries, outbox
from contracts.proposal import Proposal
from tests.adapters.store.samples import stored_proposal
from tests.steps import reserve, settle

TENANT = "default"
NOVEMBER, DECEMBER = "month:2026-11", "month:2026-12"
DAY_HOURS, MONTH_HOURS = Decimal(24), Decimal(720)


def amount(value: str, window: str = NOVEMBER, scope: str = "tenant") -> Amount:
    hours = DAY_HOURS if window.startswith("day") else MONTH_HOURS
    return Amount(scope, window, "USD", Decimal(value), hours)


def share(hours: str, window: str = NOVEMBER, scope: str = "tenant", *, carries_rate: bool = True) -> Share:
    whole = DAY_HOURS if window.startswith("day") else MONTH_HOURS
    return Share(scope, window, "USD", Decimal(hours), whole, carries_rate)


async def reserved(
    database: Database, *amounts: Amount, caps: dict[tuple[str, str], Cap] | None = None
) -> Proposal:
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        await reserve(connection, TENANT, made.id, amounts, caps=caps or {})
    return made


async def settled(
    database: Database,
    proposal: Proposal,
    hourly: str,
    *shares: Share,
    caps: dict[tuple[str, str], Cap] | None = None,
) -> None:
    async with database.transaction() as connection:
        await settle(connection, TENANT, proposal.id, shares, Decimal(hourly), caps=caps or {})


async def balance(database: Database, window: str = NOVEMBER, scope: str = "tenant") -> Balance:
    async with database.reading() as connection:
        row = (
            await connection.execute(
                select(budget_windows).where(
                    budget_windows.c.scope == scope, budget_windows.c.window == window
                )
            )
        ).one()
    return Balance(row.scope, row.window, row.currency, row.reserved, row.committed, row.hourly, row.alerted)


async def seen(database: Database, window: str) -> Balance:
    async with database.reading() as connection:
        (found,) = await windows.look(connection, TENANT, [amount("0", window).wanted])
    return found


async def entries(database: Database) -> list[tuple[str, Decimal, Decimal]]:
    async with database.reading() as connection:
        rows = await connection.execute(select(ledger_entries).order_by(ledger_entries.c.id))
        return [(row.kind, row.amount, row.hourly) for row in rows.all()]


async def told(database: Database) -> tuple[list[int], int]:
    """Percents that were announced, and how many audit events say so."""
    async with database.reading() as connection:
        notices = await connection.execute(select(outbox.c.payload).where(outbox.c.kind == "notify"))
        percents = [one["percent"] for one in notices.scalars() if one["event"] == "budget_alert"]
        events = await connection.execute(
            select(audit_events.c.id).where(audit_events.c.type == "budget.alerted")
        )
        return sorted(percents), len(events.all())


async def faults(database: Database) -> tuple[str, ...]:
    async with database.reading() as connection:
        return await ledger.verify(connection, TENANT)
