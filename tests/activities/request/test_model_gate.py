"""Which planner answers: the model's breaker and its budgets, over real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from temporalio.testing import ActivityEnvironment

from activities.request.closing import RequestActivities
from activities.request.model_gate import ModelGate, ModelUse
from adapters.configuration import parse
from adapters.store import breakers, requests
from adapters.store.database import Database
from adapters.store.ledger import sweep_reservations
from adapters.store.schema import breakers as breakers_table
from adapters.store.schema import budget_windows
from contracts.configuration import Configuration
from contracts.messages import AgentResult, CloseRequestInput, CloseRequestResult, PlanningInput
from contracts.proposal import Planner, PlannerKind
from contracts.request import AgentStep, Answered, Request, RequestStatus
from contracts.safety import Breaker, BreakerState
from tests.request_stack import request_of

PLAIN = """
tenant: default
environments: {production: {}}
limits: {breaker: {failures: 2, cooldown: 5m, jitter: 0}}
"""
BUDGET = "budgets: [{kind: model, scope: {}, window: month, limit: '%s'}]\n"
USE = ModelUse("stub-1", 4, 1_000, 500, Decimal(2), Decimal(10))
"""0.028 USD at most per request."""
MODEL = "model:stub-1"


@dataclass
class Planning:
    database: Database
    configuration: Configuration
    use: ModelUse = USE

    def activities(self) -> RequestActivities:
        gate = ModelGate(self.configuration, self.use)
        return RequestActivities(self.database, self.configuration, "practice", gate)

    async def request(self) -> Request:
        made = request_of("how big is inference?")
        async with self.database.transaction() as connection:
            await requests.create(connection, made)
        return made

    async def mark(self, request: Request) -> str | None:
        given = PlanningInput(request_id=request.id)
        marking = self.activities().mark_request_planning
        marked: CloseRequestResult = await ActivityEnvironment().run(marking, given)
        return marked.model_barred

    async def close(self, request: Request, *errors: str | None, cost: str = "0.01") -> None:
        steps = tuple(AgentStep(kind="model", name="stub-1", error=one, cost_usd=cost) for one in errors)
        planner = Planner(kind=PlannerKind.RULES, prompt_version="rules.v2")
        result = AgentResult(outcome=Answered(text="Two."), planner=planner, steps=steps)
        await ActivityEnvironment().run(
            self.activities().close_request, CloseRequestInput(request=request, result=result)
        )

    async def ask(self, *errors: str | None) -> str | None:
        """Take one request from end to end; return why the model was not asked."""
        made = await self.request()
        barred = await self.mark(made)
        await self.close(made, *(errors if barred is None else ()))
        return barred

    async def resolve(self, request: Request) -> None:
        """Close a request as an alert does that resolves."""
        async with self.database.transaction() as connection:
            text = "It resolved."
            await requests.close(connection, request.id, RequestStatus.REFUSED, text, "alert_resolved")

    async def cool(self) -> None:
        past = {"open_until": breakers_table.c.open_until - timedelta(hours=1)}
        async with self.database.transaction() as connection:
            await connection.execute(update(breakers_table).values(past))

    async def breaker(self) -> Breaker | None:
        async with self.database.reading() as connection:
            return await breakers.find(connection, MODEL)

    async def sums(self) -> list[tuple[Any, ...]]:
        columns = (budget_windows.c.scope, budget_windows.c.reserved, budget_windows.c.committed)
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(select(*columns))]


@pytest.fixture
async def planning(migrated_database_url: str) -> AsyncIterator[Planning]:
    opened = Database(migrated_database_url)
    yield Planning(opened, parse(PLAIN))
    await opened.close()


async def test_a_model_that_fails_request_after_request_is_given_a_rest(planning: Planning) -> None:
    for _ in range(2):
        assert await planning.ask("model_unavailable") is None
    assert await planning.ask() == "model_breaker_open"
    found = await planning.breaker()
    assert found is not None
    assert (found.state, found.consecutive_failures) == (BreakerState.OPEN, 2)


async def test_a_request_is_judged_by_its_last_call_and_by_none_it_did_not_make(planning: Planning) -> None:
    for errors in (("model_unavailable", None), (), ("step_cap_reached",)):
        assert await planning.ask(*errors) is None
    assert await planning.breaker() is None
    assert await planning.ask(None, "model_output_invalid") is None
    found = await planning.breaker()
    assert found is not None
    assert found.consecutive_failures == 1


async def test_of_many_requests_one_probes_and_its_answer_closes_the_breaker(planning: Planning) -> None:
    for _ in range(2):
        await planning.ask("model_unavailable")
    await planning.cool()
    made = [await planning.request() for _ in range(6)]
    barred = await asyncio.gather(*(planning.mark(one) for one in made))
    (probe,) = [request for request, why in zip(made, barred, strict=True) if why is None]
    assert await planning.mark(probe) is None
    await planning.close(probe, None)
    found = await planning.breaker()
    assert found is not None
    assert found.state is BreakerState.CLOSED
    assert await planning.ask(None) is None


async def test_a_probe_that_never_asked_the_model_is_given_back(planning: Planning) -> None:
    for _ in range(2):
        await planning.ask("model_unavailable")
    await planning.cool()
    assert await planning.ask() is None
    found = await planning.breaker()
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)
    assert await planning.ask("model_unavailable") is None
    found = await planning.breaker()
    assert found is not None
    assert found.openings == 2


async def test_a_rerun_of_the_closing_counts_nothing_twice(planning: Planning) -> None:
    made = await planning.request()
    await planning.mark(made)
    for _ in range(3):
        await planning.close(made, "model_unavailable")
    found = await planning.breaker()
    assert found is not None
    assert found.consecutive_failures == 1


async def test_the_most_it_can_cost_is_reserved_and_what_it_did_cost_is_spent(planning: Planning) -> None:
    planning.configuration = parse(PLAIN + BUDGET % "10")
    made = await planning.request()
    for _ in range(2):
        assert await planning.mark(made) is None
    assert await planning.sums() == [("model:tenant", Decimal("0.028"), Decimal(0))]
    for _ in range(2):
        await planning.close(made, None, None)
    assert await planning.sums() == [("model:tenant", Decimal(0), Decimal("0.02"))]


async def test_what_calls_cost_is_spent_although_the_request_was_closed_and_swept_meanwhile(
    planning: Planning,
) -> None:
    planning.configuration = parse(PLAIN + BUDGET % "10")
    made = await planning.request()
    assert await planning.mark(made) is None
    await planning.resolve(made)
    await sweep_reservations(planning.database)
    await planning.close(made, None)
    assert await planning.sums() == [("model:tenant", Decimal(0), Decimal("0.01"))]


async def test_a_request_that_was_closed_before_its_planning_was_heard_of_keeps_nothing_of_the_model(
    planning: Planning,
) -> None:
    for _ in range(2):
        await planning.ask("model_unavailable")
    await planning.cool()
    planning.configuration = parse(PLAIN + BUDGET % "10")
    made = await planning.request()
    assert await planning.mark(made) is None
    await planning.resolve(made)
    await planning.mark(made)
    assert await planning.sums() == [("model:tenant", Decimal(0), Decimal(0))]
    found = await planning.breaker()
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)


async def test_without_room_the_rules_planner_answers_and_nothing_stays_reserved(planning: Planning) -> None:
    planning.configuration = parse(PLAIN + BUDGET % "0.05")
    first, second = await planning.request(), await planning.request()
    assert await planning.mark(first) is None
    assert await planning.mark(second) == "model_budget_exhausted"
    await planning.close(second)
    assert await planning.sums() == [("model:tenant", Decimal("0.028"), Decimal(0))]
    await planning.close(first, None)
    assert await planning.ask(None) is None


async def test_a_probe_without_room_in_the_budget_is_given_back(planning: Planning) -> None:
    for _ in range(2):
        await planning.ask("model_unavailable")
    await planning.cool()
    planning.configuration = parse(PLAIN + BUDGET % "0.01")
    assert await planning.mark(await planning.request()) == "model_budget_exhausted"
    found = await planning.breaker()
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)


@pytest.mark.parametrize("currency", ["USD", "EUR"])
async def test_a_budget_that_no_price_fits_lets_no_model_run(planning: Planning, currency: str) -> None:
    budget = BUDGET.replace("'%s'", f"'10', currency: {currency}")
    planning.configuration = parse(PLAIN + budget)
    if currency == "USD":
        planning.use = ModelUse("stub-1", 4, 1_000, 500)
    assert await planning.ask() == "model_price_unknown"


@pytest.mark.parametrize(("read", "written"), [(Decimal(2), Decimal(0)), (Decimal(0), Decimal(10))])
async def test_half_a_price_is_none(planning: Planning, read: Decimal, written: Decimal) -> None:
    planning.configuration = parse(PLAIN + BUDGET % "10")
    planning.use = ModelUse("stub-1", 4, 1_000, 500, read, written)
    assert await planning.ask() == "model_price_unknown"


@pytest.mark.parametrize("error", [None, "model_output_invalid"])
async def test_an_answer_that_does_not_say_its_tokens_counts_as_the_dearest_one(
    planning: Planning, error: str | None
) -> None:
    planning.configuration = parse(PLAIN + BUDGET % "10")
    made = await planning.request()
    assert await planning.mark(made) is None
    await planning.close(made, error, error, cost="0")
    assert await planning.sums() == [("model:tenant", Decimal(0), Decimal("0.014"))]


async def test_a_call_that_nobody_answered_costs_nothing(planning: Planning) -> None:
    planning.configuration = parse(PLAIN + BUDGET % "10")
    made = await planning.request()
    assert await planning.mark(made) is None
    await planning.close(made, "model_unavailable", cost="0")
    assert await planning.sums() == [("model:tenant", Decimal(0), Decimal(0))]
