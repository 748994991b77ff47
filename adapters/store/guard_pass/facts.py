"""GUARDRAILS, in the store: what other proposals can change at any moment, read in one statement under the locks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.driver import Query
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
_AREAS = (budgets, halts, breakers, queue, rates, storms, grants)
_OF_PEOPLE = (approvals, overrides)
"""What people have said of the revision: only the admitting pass asks. The first is before them."""


def _statement(areas: Iterable[ModuleType]) -> Query:
    return joined((_STORED, *(area.FRAGMENT for area in areas)))


_FIRST, _ADMITTING = _statement(_AREAS), _statement((*_AREAS, *_OF_PEOPLE))


@dataclass(frozen=True, slots=True)
class Contended:
    """What other proposals can change at any moment, as of this transaction."""

    stored: PassResult | None
    balances: tuple[Balance, ...]
    halts: tuple[Halt, ...]
    breakers: tuple[Breaker, ...]
    lease_owner: str | None
    ahead: int
    first_ahead: str | None
    rates: Rates
    storms: Storms
    approvers: tuple[Principal, ...]
    """Read by an admitting pass alone, like the overrides."""
    overrides: tuple[GateOverride, ...]
    grants: tuple[BreakGlass, ...]


async def contended_facts(connection: AsyncConnection, asked: Question) -> Contended:
    """Lock the budget windows of the question and read what others can change."""
    facts = _ADMITTING if asked.admitting else _FIRST
    parameters = asked.given.model_dump()
    for area in (*_AREAS, *_OF_PEOPLE):
        parameters |= area.parameters(asked)
    found = await facts.only_row(connection, parameters)
    balances = budgets.parse(found["budgets"])
    while not budgets.is_complete(balances, asked.windows):
        found = await facts.only_row(connection, parameters)
        balances = budgets.after(balances, budgets.parse(found["budgets"]))
    queued = queue.parse(found["queue"])
    return Contended(
        stored=result_of(found["stored"]),
        balances=balances,
        halts=halts.parse(found["halts"]),
        breakers=breakers.parse(found["breakers"]),
        lease_owner=queued.lease_owner,
        ahead=queued.ahead,
        first_ahead=queued.first_ahead,
        rates=rates.parse(found["rates"]),
        storms=await storms.by_whom(connection, asked, storms.parse(found["storms"])),
        approvers=approvals.parse(found["approvals"]) if asked.admitting else (),
        overrides=overrides.parse(found["overrides"]) if asked.admitting else (),
        grants=grants.parse(found["grants"]),
    )
