"""GUARDRAILS, durable: one pass is one local activity, and its writing is one transaction keyed by the pass.

Ask first (provider, OPA, prices), then lock, read what others can change, decide, write. A rerun after the commit
returns what was stored; a rerun before it finds nothing done.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.guardrail.facts import budgets_at, facts_of, place_of
from activities.guardrail.gathering import Gathering, Outside
from activities.guardrail.settling import expire, overdue, settle
from adapters.store import guard_pass
from adapters.store.database import Database
from contracts.configuration import Configuration
from contracts.messages import PassInput, PassResult
from contracts.ports import NodePoolReader, PolicyEngine, PriceList
from contracts.proposal import Draft, Proposal, ProposalState
from guardrails.evaluate import evaluate


class GuardActivities:
    """The two kinds of passes. Both raise `StoreUnavailable` while the database does not answer: retry."""

    def __init__(
        self,
        database: Database,
        reader: NodePoolReader,
        policy: PolicyEngine,
        prices: PriceList,
        configuration: Configuration,
        mode: str,
    ) -> None:
        """Keep what a pass asks. `mode` is what this worker's effects touch."""
        self._database = database
        self._configuration = configuration
        self._mode = mode
        self._gathering = Gathering(reader, policy, prices, configuration)

    @activity.defn(name="check_proposal")
    async def check_proposal(self, given: PassInput) -> PassResult:
        """Judge a revision for the first time: observe its target, fix its digest, reserve its budget.

        Raises:
            ProviderError: the provider does not answer, and this is not the last attempt yet.
        """
        return await self._run(given, admitting=False)

    @activity.defn(name="admit_proposal")
    async def admit_proposal(self, given: PassInput) -> PassResult:
        """Judge a ready proposal right before its effect: take lease, rate and probe, or hold, or deny."""
        return await self._run(given, admitting=True)

    async def _run(self, given: PassInput, *, admitting: bool) -> PassResult:
        loaded = await guard_pass.load(self._database, given)
        if loaded.stored is not None:
            return loaded.stored
        if not _is_due(loaded.row, given, admitting=admitting):
            return _as_it_stands(loaded.row)
        if admitting and loaded.row.document is not None:
            outside = await self._gathering.again(Proposal.model_validate(loaded.row.document), loaded.now)
        else:
            draft = Draft.model_validate(loaded.row.draft)
            outside = await self._gathering.first(draft, loaded.now, attempt=activity.info().attempt)
        async with self._database.transaction() as connection:
            return await self._decide(connection, given, outside, admitting=admitting)

    async def _decide(
        self, connection: AsyncConnection, given: PassInput, outside: Outside, *, admitting: bool
    ) -> PassResult:
        place = place_of(outside.draft)
        locked = await guard_pass.lock(connection, given, place, admitting=admitting)
        if not _is_due(locked.row, given, admitting=admitting):
            stored = await guard_pass.stored_result(connection, given)
            return stored or _as_it_stands(locked.row)
        late = overdue(locked, admitting=admitting)
        if late is not None:
            return await expire(connection, locked, late)
        windows = [
            (budget.scope.key, window.key, budget.currency)
            for budget, window in budgets_at(self._configuration, outside, locked)
        ]
        asked = guard_pass.Question(
            given=given,
            place=place,
            locked=locked,
            windows=windows + [(one.scope, one.window, one.currency) for one in locked.positions],
            limits=self._configuration.limits,
        )
        contended = await guard_pass.contended_facts(connection, asked)
        if contended.stored is not None:
            return contended.stored
        facts = facts_of(
            given, self._configuration, self._mode, outside, locked, contended, admitting=admitting
        )
        return await settle(connection, facts, evaluate(facts), outside.proposal, locked, place)


def _is_due(row: Row[Any], given: PassInput, *, admitting: bool) -> bool:
    wanted = ProposalState.READY if admitting else ProposalState.EVALUATING
    return bool(row.state == wanted.value and row.revision == given.revision)


def _as_it_stands(row: Row[Any]) -> PassResult:
    return PassResult(
        state=ProposalState(row.state),
        held_on=row.held_on,
        execute_by=row.execute_by,
        reason_code=row.reason_code or "",
    )
