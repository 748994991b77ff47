"""Single steps of the path, each written in a batch of its own; a stage of the product writes several at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import random

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers, intents, ledger, schema
from adapters.store import leases as lease_writes
from adapters.store.batch import Batch
from adapters.store.ledger import Amount, Cap, Share, Subject, WindowKey
from contracts.circuit_breaker import Outcome
from contracts.configuration import BreakerLimits
from contracts.effect import Intent, Receipt

NO_CAPS: Mapping[WindowKey, Cap] = {}


async def take_lease(connection: AsyncConnection, domain: str, owner: str) -> bool:
    """Take a lease as a pass that admits does. False when it is another's."""
    leases = schema.leases
    await connection.execute(insert(leases).values(domain=domain).on_conflict_do_nothing())
    held = await connection.execute(select(leases.c.owner).where(leases.c.domain == domain).with_for_update())
    present = held.scalar_one()
    if present is not None:
        return bool(present == owner)
    batch = Batch()
    batch.add(lease_writes.taking(domain, owner))
    batch.audit(lease_writes.taken_event(domain, owner, "default"))
    await batch.send(connection)
    return True


async def write_intent(connection: AsyncConnection, intent: Intent, tenant: str = "default") -> None:
    """Write the intent of an attempt."""
    batch = Batch()
    intents.add_intent(batch, intent, tenant)
    await batch.send(connection)


async def write_receipt(connection: AsyncConnection, receipt: Receipt, tenant: str = "default") -> None:
    """Write the receipt of an effect."""
    batch = Batch()
    intents.add_receipt(batch, receipt, tenant)
    await batch.send(connection)


async def count_outcome(
    connection: AsyncConnection,
    ids: Sequence[str],
    ok: bool,
    reason_code: str,
    limits: BreakerLimits,
    now: datetime,
    *,
    proposal_id: str | None = None,
    draw: Callable[[], float] = random,
) -> None:
    """Count one outcome against several breakers."""
    outcomes = [Outcome(one, ok, reason_code, owner=proposal_id) for one in ids]
    await breakers.record(connection, outcomes, limits, now, draw=draw, tenant="default")


async def reserve(
    connection: AsyncConnection,
    tenant: str,
    proposal_id: str,
    wanted: Sequence[Amount],
    *,
    shrink: bool = True,
    caps: Mapping[WindowKey, Cap] = NO_CAPS,
) -> None:
    """Bring a proposal's reservation to these amounts. Whether the caps hold it is not asked."""
    positions = await ledger.positions_of(connection, proposal_id)
    postings = ledger.plan_reservation(positions, wanted, shrink=shrink)
    held = [ledger.Wanted(one.scope, one.window, one.currency) for one in postings]
    if not held:
        return
    balances = await ledger.lock_windows(connection, tenant, [*held, *[one.wanted for one in wanted]])
    batch = Batch()
    ledger.add_postings(batch, Subject(tenant, proposal_id=proposal_id), postings, balances, caps)
    await batch.send(connection)


async def settle(
    connection: AsyncConnection,
    tenant: str,
    proposal_id: str,
    shares: Sequence[Share],
    hourly: Decimal,
    *,
    caps: Mapping[WindowKey, Cap] = NO_CAPS,
) -> None:
    """Turn a reservation into what the verified change costs: `hourly`, negative when it saves."""
    positions = await ledger.positions_of(connection, proposal_id)
    balances = await ledger.lock_windows(connection, tenant, ledger.windows_of(shares, positions))
    batch, subject = Batch(), Subject(tenant, proposal_id=proposal_id)
    ledger.add_settlement(batch, subject, positions, shares, hourly, balances=balances, caps=caps)
    await batch.send(connection)
