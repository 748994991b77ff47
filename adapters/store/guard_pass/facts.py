"""GUARDRAILS, in the store: what other proposals can change at any moment, read in one statement under the locks."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.guard_pass import (
    approvals,
    breakers,
    budgets,
    grants,
    halts,
    overrides,
    queue,
    rates,
    storms,
)
from adapters.store.guard_pass.fragment import Fragment, joined
from adapters.store.guard_pass.passes import result_of
from adapters.store.guard_pass.question import Question
from adapters.store.guard_pass.rates import Rates
from adapters.store.guard_pass.storms import Storms
from adapters.store.ledger import Balance
from contracts.break_glass import BreakGlass
from contracts.messages import PassResult
from contracts.override import GateOverride
from contracts.principal import Principal
from contracts.safety import Breaker, Halt

_STORED = Fragment(
    "stored",
    "SELECT result FROM evaluations WHERE proposal_id = :proposal_id AND revision = :revision"
    " AND pass_number = :pass_number",
)
_AREAS = (budgets, halts, breakers, queue, rates, storms, approvals, overrides, grants)
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
    rates: Rates
    storms: Storms
    approvers: tuple[Principal, ...]
    overrides: tuple[GateOverride, ...]
    grants: tuple[BreakGlass, ...]


async def contended_facts(connection: AsyncConnection, asked: Question) -> Contended:
    """Lock the budget windows of the question and read what others can change."""
    parameters = asked.given.model_dump()
    for area in _AREAS:
        parameters |= area.parameters(asked)
    found = await _FACTS.only_row(connection, parameters)
    balances = budgets.parse(found["budgets"])
    while not budgets.is_complete(balances, asked.windows):
        found = await _FACTS.only_row(connection, parameters)
        balances = budgets.after(balances, budgets.parse(found["budgets"]))
    queued = queue.parse(found["queue"])
    return Contended(
        stored=result_of(found["stored"]),
        balances=balances,
        halts=halts.parse(found["halts"]),
        breakers=breakers.parse(found["breakers"]),
        lease_owner=queued.lease_owner,
        ahead=queued.ahead,
        rates=rates.parse(found["rates"]),
        storms=storms.parse(found["storms"]),
        approvers=approvals.parse(found["approvals"]),
        overrides=overrides.parse(found["overrides"]),
        grants=grants.parse(found["grants"]),
    )
