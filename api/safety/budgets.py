"""Budgets as people see them: sums, what is spent, the forecast and the way there. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from adapters.store import budget_reads
from adapters.store.budget_reads import BUCKETS, ModelCost, Posted, WindowSpan
from adapters.store.database import database_now
from api.parts import ApiParts
from api.safety.schemas import BudgetPoint, Budgets, BudgetView, ModelDay, ModelSpend
from contracts.configuration import Budget
from guardrails.budget.forecast import Commit, Span, forecast, spent
from guardrails.budget.windows import window_at

ZERO = Decimal(0)


async def budgets(parts: ApiParts) -> Budgets:
    """Return every configured budget in its present window."""
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        present = [(budget, _span(budget, now)) for budget in parts.configuration.budgets]
        windows = [window for _, window in present]
        sums = await budget_reads.sums(connection, parts.tenant, [one.key for one in windows])
        posted = await budget_reads.postings(connection, parts.tenant, windows)
        since = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        models = await budget_reads.model_costs(connection, parts.tenant, since)
    return Budgets(
        at=now,
        items=tuple(
            _view(budget, window, sums[window.key], posted[window.key], now) for budget, window in present
        ),
        models=_models(models, since),
    )


def _span(budget: Budget, now: datetime) -> WindowSpan:
    window = window_at(budget, now)
    return WindowSpan(budget.scope.key, window.key, window.starts_at, window.ends_at)


def _view(
    budget: Budget,
    window: WindowSpan,
    sums: tuple[Decimal, Decimal],
    posted: Sequence[Posted],
    now: datetime,
) -> BudgetView:
    reserved, committed = sums
    span = Span(window.starts_at, window.ends_at, now)
    commits = [Commit(one.at, one.amount) for one in posted if one.kind == "commit"]
    ahead = forecast(commits, standing=reserved + committed, limit=budget.limit, span=span)
    return BudgetView(
        scope=budget.scope.key,
        environment=budget.scope.environment,
        team=budget.scope.team,
        window=window.window,
        currency=budget.currency,
        limit=budget.limit,
        reserved=reserved,
        committed=committed,
        spent=spent(commits, span),
        left=budget.limit - reserved - committed,
        forecast=ahead.at_end,
        exhausted_at=ahead.exhausted_at,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        series=tuple(_series(window, posted, sums, now)),
    )


def _series(
    window: WindowSpan, posted: Sequence[Posted], sums: tuple[Decimal, Decimal], now: datetime
) -> Iterator[BudgetPoint]:
    """The window's start, the end of every part in which something was posted before now, and now."""
    yield BudgetPoint(at=window.starts_at, reserved=ZERO, committed=ZERO)
    reserved, committed = ZERO, ZERO
    part = (window.ends_at - window.starts_at) / BUCKETS
    for bucket in sorted({one.bucket for one in posted}):
        at = window.starts_at + part * bucket
        if at >= now:
            break
        for one in (one for one in posted if one.bucket == bucket):
            reserved += one.amount if one.kind == "reserve" else -one.amount
            committed += one.amount if one.kind == "commit" else ZERO
        yield BudgetPoint(at=at, reserved=reserved, committed=committed)
    yield BudgetPoint(at=now, reserved=sums[0], committed=sums[1])


def _models(costs: Sequence[ModelCost], since: datetime) -> ModelSpend:
    return ModelSpend(
        spent=sum((one.cost for one in costs), ZERO),
        since=since,
        days=tuple(ModelDay(day=one.day, cost=one.cost, requests=one.requests) for one in costs),
    )
