"""Money of model calls: the same ledger, keyed by the request that the calls are made for.

A reservation before the calls, all budgets or none; the real cost afterwards. What a model costs has no run-rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.ledger import windows
from adapters.store.ledger.accounts import (
    ZERO,
    Amount,
    Balance,
    Cap,
    Subject,
    Wanted,
)
from adapters.store.ledger.changes import post
from adapters.store.ledger.planning import plan_reservation, plan_spending
from adapters.store.ledger.positions import positions_of_subject
from adapters.store.schema import requests
from contracts.errors import NotFound


@dataclass(frozen=True, slots=True)
class ModelClaim:
    """What calls of a model may cost at most in one budget that covers them, and that budget's cap."""

    amount: Amount
    cap: Cap


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A budget that does not hold a claim."""

    scope: str
    window: str
    currency: str
    missing: Decimal
    """How much more its cap would have to be."""


async def reserve_model_spend(
    connection: AsyncConnection, tenant: str, request_id: str, claims: Sequence[ModelClaim]
) -> tuple[Shortfall, ...]:
    """Reserve what a request's model calls may cost, in every budget or in none; return those that do not hold it.

    It brings the request's reservation to these amounts: a second call with the same ones changes nothing.

    Raises:
        NotFound: there is no such request.
    """
    subject = await _locked(connection, tenant, request_id)
    positions = await positions_of_subject(connection, subject)
    asked = [one.amount.wanted for one in claims]
    held = [Wanted(one.scope, one.window, one.currency) for one in positions if one.reserved > 0]
    balances = {one.key: one for one in await windows.lock(connection, tenant, [*asked, *held])}
    own = {one.key: one.reserved for one in positions}
    short = tuple(
        found
        for claim in claims
        if (found := _shortfall(claim, balances[claim.amount.key], own.get(claim.amount.key, ZERO)))
    )
    if not short:
        postings = plan_reservation(positions, [one.amount for one in claims], shrink=True)
        await post(connection, subject, postings, asked, {one.amount.key: one.cap for one in claims})
    return short


async def settle_model_spend(
    connection: AsyncConnection,
    tenant: str,
    request_id: str,
    cost: Decimal,
    claims: Sequence[ModelClaim] = (),
) -> None:
    """Commit what a request's model calls did cost, in its currency, and release the rest. Zero releases everything.

    What a reservation does not hold is recorded as an overrun and blocks what comes after it. A request that has
    nothing reserved posts nothing, so a second call changes nothing. `claims` give the caps, for alerts.

    Raises:
        NotFound: there is no such request.
    """
    subject = await _locked(connection, tenant, request_id)
    positions = [one for one in await positions_of_subject(connection, subject) if one.reserved > 0]
    postings = [entry for one in positions for entry in plan_spending(one, cost)]
    await post(connection, subject, postings, caps={one.amount.key: one.cap for one in claims})


async def release_model_spend(connection: AsyncConnection, tenant: str, request_id: str) -> bool:
    """Give back everything a request has reserved, and tell whether there was any. Repeatable."""
    subject = await _locked(connection, tenant, request_id)
    positions = await positions_of_subject(connection, subject)
    postings = [entry for one in positions if one.reserved > 0 for entry in plan_spending(one, ZERO)]
    await post(connection, subject, postings)
    return bool(postings)


def _shortfall(claim: ModelClaim, balance: Balance, own: Decimal) -> Shortfall | None:
    wanted = claim.amount
    missing = balance.standing - own + wanted.amount - claim.cap.limit
    if balance.currency != wanted.currency:
        missing = max(missing, wanted.amount)
    if missing <= 0 or wanted.amount <= 0:
        return None
    return Shortfall(wanted.scope, wanted.window, wanted.currency, missing)


async def _locked(connection: AsyncConnection, tenant: str, request_id: str) -> Subject:
    wanted = select(requests.c.id).where(requests.c.id == request_id, requests.c.tenant == tenant)
    if (await connection.execute(wanted.with_for_update())).one_or_none() is None:
        raise NotFound(f"there is no request {request_id}")
    return Subject(tenant, request_id=request_id)
