"""GUARDRAILS, durable: one pass is one local activity, and its writing is one transaction keyed by the pass.

Ask first (provider, OPA, prices), then lock, read what others can change, decide, write. A rerun after the commit
returns what was stored; a rerun before it finds nothing done.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.guardrail.facts import budgets_at, facts_of, place_of
from activities.guardrail.fleet_size import FleetSize
from activities.guardrail.gathering import Gathering, Outside
from activities.guardrail.rating import StormFound, finds_storm
from activities.guardrail.recording import recorded
from activities.guardrail.reserving import open_only, purse_of, windows_of
from activities.guardrail.settling import expire, overdue, settle
from adapters.store import guard_pass, halts, proposals
from adapters.store.database import Database
from contracts.configuration import Configuration, ConfigurationSource
from contracts.messages import PassInput, PassResult
from contracts.ports import LoadReader, NodePoolReader, PolicyEngine, PriceList
from contracts.proposal import Draft, Proposal, ProposalState
from guardrails.change_window.timetable import Place as WindowPlace
from guardrails.change_window.timetable import Timetables
from guardrails.evaluate import evaluate
from guardrails.facts import WindowsFacts


class GuardActivities:
    """The two kinds of passes. Both raise `StoreUnavailable` while the database does not answer: retry."""

    def __init__(
        self,
        database: Database,
        reader: NodePoolReader,
        policy: PolicyEngine,
        prices: PriceList,
        configuration: ConfigurationSource,
        mode: str,
        *,
        shadow: PolicyEngine | None = None,
        load: LoadReader | None = None,
    ) -> None:
        """Keep what a pass asks. `mode` is what this worker's effects touch; `shadow` a candidate policy.

        `load` reads what runs on a pool, for changes that shrink it.
        """
        self._database = database
        self._configuration = configuration
        self._mode = mode
        self._timetables = Timetables()
        self._fleet_size = FleetSize()
        self._gathering = partial(Gathering, reader, policy, prices, shadow=shadow, load=load)

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
        due = self._fleet_size.is_due()
        loaded = await guard_pass.load(self._database, given, with_fleet=due)
        if due:
            self._fleet_size.take(loaded.row.tenant, loaded.fleet_nodes)
        if loaded.stored is not None:
            return loaded.stored
        if not _is_due(loaded.row, given, admitting=admitting):
            return _as_it_stands(loaded.row)
        late = overdue(loaded.row, loaded.now, admitting=admitting)
        if late is not None:
            # Before anything is asked: a pass that breaks again and again ends here, too.
            return await self._expire(given, late, admitting=admitting)
        configuration = self._configuration.current
        gathering = self._gathering(configuration, fleet_nodes=self._fleet_size.of(loaded.row.tenant))
        if admitting and loaded.row.document is not None:
            outside = await gathering.again(Proposal.model_validate(loaded.row.document), loaded.now)
        else:
            draft = Draft.model_validate(loaded.row.draft)
            outside = await gathering.first(draft, loaded.now, attempt=activity.info().attempt)
        # What the calendars say is worked out before any row is locked; the transaction asks again, from memory.
        self._windows(configuration, outside.draft, loaded.now)
        decide = partial(self._decide, given, outside, configuration, admitting=admitting)
        try:
            async with self._database.transaction() as connection:
                return await decide(connection)
        except StormFound:
            # A halt is written under a lock that comes before those of a pass in the fixed order.
            async with self._database.transaction() as connection:
                await proposals.lock(connection, given.proposal_id)
                await halts.lock_out_intents(connection)
                return await decide(connection, may_halt=True)

    async def _decide(
        self,
        given: PassInput,
        outside: Outside,
        configuration: Configuration,
        connection: AsyncConnection,
        *,
        admitting: bool,
        may_halt: bool = False,
    ) -> PassResult:
        place = place_of(outside.draft)
        locked = await guard_pass.lock(connection, given, place, admitting=admitting)
        if not _is_due(locked.row, given, admitting=admitting):
            stored = await guard_pass.stored_result(connection, given)
            return stored or _as_it_stands(locked.row)
        late = overdue(locked.row, locked.now, admitting=admitting)
        if late is not None:
            return await expire(connection, locked.row, late)
        covering = budgets_at(configuration, outside.target, place, locked.now)
        asked = guard_pass.Question(
            given=given,
            place=place,
            locked=locked,
            windows=windows_of(covering, locked),
            limits=configuration.limits,
            admitting=admitting,
        )
        contended = await guard_pass.contended_facts(connection, asked)
        if contended.stored is not None:
            await open_only(connection, locked, contended)
            return contended.stored
        facts = facts_of(
            given,
            configuration,
            self._mode,
            outside,
            place,
            locked,
            covering,
            contended,
            self._windows(configuration, outside.draft, locked.now),
            admitting=admitting,
        )
        beside = recorded(facts, outside)
        evaluation = evaluate(facts)
        if finds_storm(facts, evaluation) and not may_halt:
            raise StormFound
        purse = purse_of(covering, contended)
        return await settle(connection, facts, evaluation, outside.proposal, locked, place, beside, purse)

    async def _expire(self, given: PassInput, late: str, *, admitting: bool) -> PassResult:
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, given.proposal_id)
            if not _is_due(row, given, admitting=admitting):
                return _as_it_stands(row)
            return await expire(connection, row, late)

    def _windows(self, configuration: Configuration, draft: Draft, now: datetime) -> WindowsFacts:
        return self._timetables.of(configuration).at(WindowPlace.of(draft), now)


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
