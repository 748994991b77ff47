"""REQUEST: whether the language model may answer a request, by the breaker of the model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers
from contracts.circuit_breaker import MODEL_BREAKER_OPEN, Outcome, model_breaker
from contracts.configuration import BreakerLimits
from contracts.errors import ModelRefused, ModelUnavailable
from contracts.request import AgentStep

_FAILURES = frozenset({ModelUnavailable.reason_code, ModelRefused.reason_code})


async def barred(
    connection: AsyncConnection, model: str, request_id: str, now: datetime, *, tenant: str
) -> str | None:
    """Return why the model may not answer this request, or None. Where its breaker is due, this request probes."""
    may = await breakers.take_probe(connection, model_breaker(model), request_id, now, tenant=tenant)
    return None if may else MODEL_BREAKER_OPEN


async def learn(
    connection: AsyncConnection,
    model: str,
    request_id: str,
    steps: Sequence[AgentStep],
    limits: BreakerLimits,
    now: datetime,
    *,
    tenant: str,
) -> None:
    """Count what the model's calls for a request came to: one outcome, or none where it was not asked."""
    outcome = outcome_of(model, request_id, steps)
    await breakers.record(connection, [outcome], limits, now, tenant=tenant)


def outcome_of(model: str, request_id: str, steps: Sequence[AgentStep]) -> Outcome:
    """Return the outcome of a request's last call of the model. One it was never asked for gives the probe back."""
    calls = [step for step in steps if step.kind == "model"]
    last = calls[-1].error if calls else None
    ok = last not in _FAILURES if calls else None
    return Outcome(model_breaker(model), ok, last or "model_answered", owner=request_id)
