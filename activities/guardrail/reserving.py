"""Inside the transaction of a guard pass: the budget windows it counts against, and what it reserves in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.costing import caps_of
from activities.guardrail.facts import Covering
from adapters.store import ledger
from adapters.store.batch import Batch
from adapters.store.guard_pass import Contended, Locked
from adapters.store.ledger import Amount, Balance, Cap, Subject, Wanted, WindowKey
from contracts.evaluation import CostEstimate


@dataclass(frozen=True, slots=True)
class Purse:
    """The locked budget windows of a pass, and the caps that apply to them."""

    balances: tuple[Balance, ...]
    caps: Mapping[WindowKey, Cap]


def windows_of(covering: Sequence[Covering], locked: Locked) -> list[Wanted]:
    """Return every window that the change counts against, and those in which it has something reserved."""
    counted = [Wanted(budget.key, window.key, budget.currency, window.hours) for budget, window in covering]
    return counted + [Wanted(one.scope, one.window, one.currency) for one in locked.positions]


def purse_of(covering: Sequence[Covering], contended: Contended) -> Purse:
    """Return what a pass has locked."""
    return Purse(contended.balances, caps_of([(budget, window.key) for budget, window in covering]))


def add_reservation(
    batch: Batch, locked: Locked, purse: Purse, cost: CostEstimate | None, *, shrink: bool
) -> None:
    """Bring the proposal's reservation to what the change costs; None gives everything back."""
    lines = cost.lines if cost else ()
    wanted = [Amount(line.scope, line.window, line.currency, line.amount) for line in lines]
    postings = ledger.plan_reservation(locked.positions, wanted, shrink=shrink)
    subject = Subject(locked.row.tenant, proposal_id=locked.row.id)
    ledger.add_postings(batch, subject, postings, purse.balances, purse.caps)


def add_openings(batch: Batch, locked: Locked, purse: Purse) -> None:
    """Post the openings of windows that this pass made, and nothing else: it leaves reservations as they are."""
    ledger.add_postings(batch, Subject(locked.row.tenant), (), purse.balances)


async def open_only(connection: AsyncConnection, locked: Locked, contended: Contended) -> None:
    """As `add_openings`, for a pass that writes nothing else."""
    batch = Batch()
    add_openings(batch, locked, Purse(contended.balances, {}))
    await batch.send(connection)
