"""REQUEST → PROPOSAL: whether the language model may answer a request, and what its answer teaches and costs.

The model's breaker is asked first, then its budgets: the most that the request can cost is reserved before the first
call. Where either says no, the rules planner answers and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers, ledger, model_gate
from adapters.store.database import database_now
from adapters.store.ledger import Amount, Cap, ModelClaim
from contracts.circuit_breaker import MODEL_BUDGET_EXHAUSTED, MODEL_PRICE_UNKNOWN
from contracts.configuration import Budget, ConfigurationSource
from contracts.errors import ModelUnavailable
from contracts.principal import CAPACITY_AGENT
from contracts.request import AgentStep, Request
from guardrails.budget.windows import window_at

CURRENCY = "USD"
"""Prices of tokens are in it, so a budget for models must be too."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """How the model is used for one request, at most. Prices are USD per million tokens; 0 = unknown."""

    name: str
    max_steps: int
    max_input_tokens: int
    """Per call."""
    max_output_tokens: int
    """Per call."""
    input_price: Decimal = Decimal(0)
    output_price: Decimal = Decimal(0)

    @property
    def is_priced(self) -> bool:
        """Whether both prices are known: half a price would let the other half go unseen."""
        return self.input_price > 0 and self.output_price > 0

    @property
    def per_call(self) -> Decimal:
        """What one call costs at most, in USD; 0 while the prices are unknown."""
        tokens = self.max_input_tokens * self.input_price + self.max_output_tokens * self.output_price
        return tokens / 1_000_000

    @property
    def worst_case(self) -> Decimal:
        """What one request costs at most, in USD; 0 while the prices are unknown."""
        return self.max_steps * self.per_call

    def spent_on(self, step: AgentStep) -> Decimal:
        """Return what a step counts as. An answer that came without its tokens was not free: it counts as the most."""
        cost = Decimal(step.cost_usd)
        is_answer = step.kind == "model" and step.error != ModelUnavailable.reason_code
        return self.per_call if is_answer and not cost else cost


class ModelGate:
    """Asked once before the model's first call for a request, told once after its last."""

    def __init__(self, configuration: ConfigurationSource, use: ModelUse) -> None:
        self._configuration = configuration
        self._use = use

    async def enter(self, connection: AsyncConnection, tenant: str, request_id: str) -> str | None:
        """Return the reason code why the rules planner is to answer, or None: the model may. Repeatable."""
        now = await database_now(connection)
        barred = await model_gate.barred(connection, self._use.name, request_id, now, tenant=tenant)
        if barred is None:
            barred = await self._reserve(connection, tenant, request_id, now)
            if barred is not None:
                await breakers.release_probes(connection, request_id, tenant=tenant)
        return barred

    async def leave(
        self, connection: AsyncConnection, request: Request, steps: Sequence[AgentStep], *, learns: bool
    ) -> None:
        """Count what the calls came to, and post what they cost. `learns`: this is the first time it is told."""
        now = await database_now(connection)
        if learns:
            limits = self._configuration.current.limits.breaker
            await model_gate.learn(
                connection, self._use.name, request.id, steps, limits, now, tenant=request.tenant
            )
        else:
            await breakers.release_probes(connection, request.id, tenant=request.tenant)
        budgets = self._budgets()
        cost = sum((self._use.spent_on(step) for step in steps), Decimal(0))
        if budgets or cost:
            await ledger.settle_model_spend(
                connection, request.tenant, request.id, cost, self._claims(budgets, now)
            )

    async def _reserve(
        self, connection: AsyncConnection, tenant: str, request_id: str, now: datetime
    ) -> str | None:
        budgets = self._budgets()
        if not budgets:
            return None
        if not self._use.is_priced or any(budget.currency != CURRENCY for budget in budgets):
            # What it costs is not known, so no budget can be kept to.
            return MODEL_PRICE_UNKNOWN
        claims = self._claims(budgets, now)
        short = await ledger.reserve_model_spend(connection, tenant, request_id, claims)
        return MODEL_BUDGET_EXHAUSTED if short else None

    def _budgets(self) -> list[Budget]:
        agent = CAPACITY_AGENT.spelled
        return [one for one in self._configuration.current.budgets if one.covers_model(agent=agent)]

    def _claims(self, budgets: Sequence[Budget], now: datetime) -> list[ModelClaim]:
        return [
            ModelClaim(
                Amount(budget.key, window_at(budget, now).key, CURRENCY, self._use.worst_case),
                Cap(budget.limit, budget.alerts),
            )
            for budget in budgets
        ]
