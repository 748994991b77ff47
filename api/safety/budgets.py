"""Budgets as people see them: sums, what is spent, the forecast and the way there. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.store import budget_reads
from adapters.store.budget_reads import BUCKETS, ModelCost, Posted, WindowSpan
from adapters.store.database import database_now
from adapters.store.ledger import Balance, Wanted, costs
from adapters.store.ledger.costs import OVERALL, Bias
from api.parts import ApiParts
from api.safety.schemas import BiasView, BudgetPoint, Budgets, BudgetView, ModelDay, ModelSpend
from contracts.configuration import Budget, BudgetKind, BudgetScope, BudgetWindow
from guardrails.budget.forecast import Commit, Span, forecast, spent
from guardrails.budget.windows import Window, window_at

ZERO = Decimal(0)
BIAS_OVER = timedelta(days=90)
_RESERVED = {"reserve": 1, "commit": -1, "release": -1}


async def budgets(parts: ApiParts) -> Budgets:
    """Return every configured budget in its present window."""
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        present = [(budget, window_at(budget, now)) for budget in parts.configuration.budgets]
        wanted = [Wanted(budget.key, window.key, budget.currency, window.hours) for budget, window in present]
        balances = await budget_reads.balances(connection, parts.tenant, wanted)
        spans = [_span(budget, window) for budget, window in present]
        posted = await budget_reads.postings(connection, parts.tenant, spans)
        biases = await costs.biases(connection, parts.tenant, now - BIAS_OVER)
        since = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        models = await budget_reads.model_costs(connection, parts.tenant, since)
    return Budgets(
        at=now,
        items=tuple(
            _view(budget, span, balances[span.key], posted[span.key], now, _bias(biases.get(budget.key)))
            for (budget, _), span in zip(present, spans, strict=True)
        ),
        models=_models(models, since, _model_cap(parts.configuration.budgets)),
        bias=_bias(biases.get(OVERALL)),
    )


def _span(budget: Budget, window: Window) -> WindowSpan:
    return WindowSpan(budget.key, window.key, window.starts_at, window.ends_at)


def _view(
    budget: Budget,
    window: WindowSpan,
    balance: Balance,
    posted: Sequence[Posted],
    now: datetime,
    bias: BiasView | None,
) -> BudgetView:
    span = Span(window.starts_at, window.ends_at, now)
    growth = [Commit(one.at, one.amount) for one in posted if one.kind in ("commit", "adjust")]
    ahead = forecast(growth, standing=balance.standing, limit=budget.limit, span=span)
    return BudgetView(
        scope=budget.key,
        kind=budget.kind,
        environment=budget.scope.environment,
        team=budget.scope.team,
        agent=budget.scope.agent,
        window=window.window,
        currency=budget.currency,
        limit=budget.limit,
        soft_limit=budget.soft_limit,
        reserved=balance.reserved,
        committed=balance.committed,
        hourly=balance.hourly,
        alerts=budget.alerts,
        alerted=balance.alerted,
        bias=bias,
        spent=_spent(budget, balance, posted, span),
        left=budget.limit - balance.standing,
        forecast=ahead.at_end,
        exhausted_at=ahead.exhausted_at,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        series=tuple(_series(window, posted, balance, now)),
    )


def _spent(budget: Budget, balance: Balance, posted: Sequence[Posted], span: Span) -> Decimal:
    """What ran at the window's start is used up evenly over it; calls of a model are used up when they are made."""
    if budget.kind is BudgetKind.MODEL:
        return balance.committed
    commits = [Commit(one.at, one.amount) for one in posted if one.kind in ("commit", "adjust", "opening")]
    if not posted and balance.is_new:
        commits = [Commit(span.starts_at, balance.committed)]
    return spent(commits, span)


def _bias(found: Bias | None) -> BiasView | None:
    if found is None:
        return None
    return BiasView(
        share=found.share,
        actions=found.actions,
        estimated_hourly=found.estimated,
        verified_hourly=found.verified,
    )


def _model_cap(budgets: Sequence[Budget]) -> Decimal | None:
    wanted = BudgetScope().key
    return next(
        (
            one.limit
            for one in budgets
            if one.kind is BudgetKind.MODEL
            and one.window is BudgetWindow.MONTH
            and one.scope.key == wanted
            and one.currency == "USD"
        ),
        None,
    )


def _series(
    window: WindowSpan, posted: Sequence[Posted], balance: Balance, now: datetime
) -> Iterator[BudgetPoint]:
    """The window's start, the end of every part in which something was posted before now, and now."""
    carried = sum((one.amount for one in posted if one.kind == "opening"), ZERO)
    if balance.is_new:
        carried = balance.committed
    yield BudgetPoint(at=window.starts_at, reserved=ZERO, committed=carried)
    reserved, committed = ZERO, carried
    part = (window.ends_at - window.starts_at) / BUCKETS
    for bucket in sorted({one.bucket for one in posted}):
        at = window.starts_at + part * bucket
        if at >= now:
            break
        for one in (one for one in posted if one.bucket == bucket):
            reserved += one.amount * _RESERVED.get(one.kind, 0)
            committed += one.amount if one.kind in ("commit", "adjust") else ZERO
        yield BudgetPoint(at=at, reserved=reserved, committed=committed)
    yield BudgetPoint(at=now, reserved=balance.reserved, committed=balance.committed)


def _models(found: Sequence[ModelCost], since: datetime, cap: Decimal | None) -> ModelSpend:
    return ModelSpend(
        cap=cap,
        spent=sum((one.cost for one in found), ZERO),
        since=since,
        days=tuple(ModelDay(day=one.day, cost=one.cost, requests=one.requests) for one in found),
    )
