"""GUARDRAILS, in the store: what other proposals can change at any moment, read in one statement under the locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.guard_pass import approvals, breakers, budgets, halts, queue, rates
from adapters.store.guard_pass.fragment import Fragment, joined
from adapters.store.guard_pass.passes import result_of
from adapters.store.guard_pass.question import Question
from adapters.store.guard_pass.rates import Count
from adapters.store.ledger import Balance
from contracts.messages import PassResult
from contracts.principal import Principal
from contracts.safety import Breaker, Halt

_STORED = Fragment(
    "stored",
    "SELECT result FROM evaluations WHERE proposal_id = :proposal_id AND revision = :revision"
    " AND pass_number = :pass_number",
)
_AREAS = (budgets, halts, breakers, queue, rates, approvals)
_FACTS = joined((_STORED, *(area.FRAGMENT for area in _AREAS)))


@dataclass(frozen=True, slots=True)
class Contended:
    """What other proposals can change at any moment, as of this transaction."""

    stored: PassResult | None
    balances: tuple[Balance, ...]
    halts: tuple[Halt, ...]
    breakers: tuple[Breaker, ...]
    lease_owner: str | None
    ahead: int
    target_uses: Count
    agent_uses: Count
    last_effect_at: datetime | None
    approvers: tuple[Principal, ...]


async def contended_facts(connection: AsyncConnection, asked: Question) -> Contended:
    """Lock the budget windows of the question and read what others can change."""
    parameters = asked.given.model_dump()
    for area in _AREAS:
        parameters |= area.parameters(asked)
    row = (await connection.execute(_FACTS, parameters)).one()
    queued, rated = queue.parse(row.queue), rates.parse(row.rates)
    return Contended(
        stored=result_of(row.stored),
        balances=budgets.parse(row.budgets),
        halts=halts.parse(row.halts),
        breakers=breakers.parse(row.breakers),
        lease_owner=queued.lease_owner,
        ahead=queued.ahead,
        target_uses=rated.target_uses,
        agent_uses=rated.agent_uses,
        last_effect_at=rated.last_effect_at,
        approvers=approvals.parse(row.approvals),
    )
