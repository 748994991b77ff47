"""What stops effects: create and end halts, reset breakers, read budgets."""

from __future__ import annotations

from adapters.store import breakers as breaker_store
from adapters.store import budget_reads
from adapters.store import halts as halt_store
from adapters.store.database import database_now
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from api.safety.schemas import (
    Breakers,
    BreakerView,
    Budgets,
    BudgetView,
    HaltBody,
    HaltMoved,
    Halts,
    HaltView,
)
from contracts.principal import Principal
from contracts.safety import Breaker, Halt
from guardrails.budget.windows import window_at


async def halt(parts: ApiParts, body: HaltBody, operator: Principal, claim: Claim) -> Answer:
    """Create a halt.

    Raises:
        Problem: 422, it names another tenant or an unknown environment: it would stop nothing.
    """
    _covers_something(parts, body)
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        made = await halt_store.create(
            connection, body.scope, body.reason, actor=operator, tenant=parts.tenant
        )
        return await claim.keep(connection, Answer.of(200, HaltMoved(id=made.id, status=made.status)))


def _covers_something(parts: ApiParts, body: HaltBody) -> None:
    scope = body.scope
    if scope.tenant not in (None, parts.tenant):
        raise Problem(422, "halt_scope_unknown", "There is no such tenant here.")
    if scope.environment is not None and scope.environment not in parts.configuration.environments:
        known = sorted(parts.configuration.environments)
        raise Problem(422, "halt_scope_unknown", "There is no such environment.", environments=known)


async def open_halts(parts: ApiParts) -> Halts:
    """Return every halt that has not ended."""
    async with parts.database.reading() as connection:
        return Halts(items=tuple(halt_view(one) for one in await halt_store.open_halts(connection)))


def halt_view(one: Halt) -> HaltView:
    """Return a halt as people see it."""
    return HaltView(
        id=one.id,
        scope=one.scope,
        reason=one.reason,
        status=one.status,
        created_by=f"{one.created_by.issuer}/{one.created_by.subject}",
        created_at=one.created_at,
        effective_at=one.effective_at,
    )


async def end_halt(parts: ApiParts, halt_id: str, operator: Principal) -> HaltMoved:
    """End a halt.

    Raises:
        Problem: 404.
    """
    async with parts.database.transaction() as connection:
        ended = await halt_store.end(connection, halt_id, actor=operator)
        if ended is None:
            raise not_found("halt")
        return HaltMoved(id=ended.id, status=ended.status)


async def breakers(parts: ApiParts) -> Breakers:
    """Return every breaker that ever counted a failure."""
    async with parts.database.reading() as connection:
        return Breakers(
            items=tuple(_breaker_view(one) for one in await breaker_store.all_breakers(connection))
        )


def _breaker_view(one: Breaker) -> BreakerView:
    return BreakerView(**one.model_dump(exclude={"probe_expires_at"}))


async def reset(parts: ApiParts, breaker_id: str, reason: str, operator: Principal, claim: Claim) -> Answer:
    """Close a breaker.

    Raises:
        Problem: 404.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        closed = await breaker_store.reset(
            connection, breaker_id, actor=operator, reason=reason, tenant=parts.tenant
        )
        if closed is None:
            raise not_found("breaker")
        return await claim.keep(connection, Answer.of(200, _breaker_view(closed)))


async def budgets(parts: ApiParts) -> Budgets:
    """Return every configured budget with the sums of its present window."""
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        present = [(budget, window_at(budget, now)) for budget in parts.configuration.budgets]
        keys = [(budget.scope.key, window.key) for budget, window in present]
        sums = await budget_reads.sums(connection, parts.tenant, keys)
    views = []
    for budget, window in present:
        reserved, committed = sums[budget.scope.key, window.key]
        views.append(
            BudgetView(
                scope=budget.scope.key,
                window=window.key,
                currency=budget.currency,
                limit=budget.limit,
                reserved=reserved,
                committed=committed,
                left=budget.limit - reserved - committed,
                ends_at=window.ends_at,
            )
        )
    return Budgets(items=tuple(views))
