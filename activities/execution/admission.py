"""EXECUTION, the intent transaction: the last place where an effect can be stopped, and the first that is written.

One transaction checks everything that must hold (lease and fence, fresh pass, votes, halt, time) and writes the
intent. Nothing is believed from the message that started the activity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.approval.counting import valid_approvals
from activities.execution.attempt import PASS_LASTS, EffectTimings, Granted, Work
from adapters.store import admitting, breakers, halts, intents, leases, outbox, proposals
from adapters.store.admitting import Facts
from adapters.store.batch import Batch
from adapters.store.closing import close_without_effect
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from contracts import eligibility
from contracts.configuration import NotificationEvent
from contracts.effect import EffectResult, Intent, Step
from contracts.errors import StaleFence
from contracts.holds import on_halt
from contracts.messages import EffectOutcome
from contracts.principal import SYSTEM
from contracts.proposal import DRY_RUN, EXECUTE_BY_PASSED, MODE_MISMATCH, ProposalState
from contracts.safety import Halt

_S = ProposalState


class Admission:
    """Grants one attempt the right to call, or says why not."""

    def __init__(
        self, database: Database, public_keys: Mapping[str, str], mode: str, timings: EffectTimings
    ) -> None:
        """`mode` is what this worker's provider is: a proposal made for another one is refused."""
        self._database = database
        self._public_keys = public_keys
        self._mode = mode
        self._timings = timings

    async def forward(self, work: Work) -> Granted | EffectOutcome:
        """Admit the forward effect and move the proposal to `executing`; or close it, or ask for a new pass.

        Raises:
            StaleFence: another attempt was admitted since this one looked; only a newer one may go on.
        """
        async with self._database.transaction() as connection:
            row = await halts.lock_out(connection, work.proposal.id)
            is_due = ProposalState(row.state) in (_S.READY, _S.EXECUTING)
            if not is_due or row.revision != work.proposal.revision:
                return standing_outcome(row)
            began, facts = _clock(), await _facts(connection, row, work)
            refusal = self._refusal(row, work, facts)
            if refusal is not None:
                return await self._close(connection, row, *refusal)
            waiting_for = self._waiting_for(row, work, facts)
            if waiting_for is not None:
                return await step_back(connection, row, work, waiting_for)
            batch = Batch()
            try:
                granted = await self._grant(connection, batch, work, facts.now, began)
            except StaleFence:
                return await step_back(connection, row, work, "lease_lost")
            if ProposalState(row.state) is _S.READY:
                proposals.add_move(batch, row, _S.EXECUTING, actor=SYSTEM, reason_code="executing")
            await batch.send(connection)
            return granted

    async def compensation(self, work: Work) -> Granted | EffectOutcome | None:
        """Admit the way back. Scope and fence only; a halt holds it (None) and pages once.

        Raises:
            StaleFence: as `forward`.
        """
        async with self._database.transaction() as connection:
            row = await halts.lock_out(connection, work.proposal.id)
            if ProposalState(row.state) is not _S.ROLLING_BACK:
                return standing_outcome(row)
            began, facts = _clock(), await _facts(connection, row, work)
            halt = halts.covering(facts.halts, row)
            if halt is not None:
                await _page_once(connection, row, halt)
                return None
            batch = Batch()
            if row.held_on is not None:
                # The halt has ended: until then nobody could ask the provider.
                freed = await halts.ended_at(connection, row.held_on)
                batch.add(proposals.holding(row, None, row.reason_code, "", freed))
            granted = await self._grant(connection, batch, work, facts.now, began)
            await batch.send(connection)
            return granted

    def _refusal(self, row: Row[Any], work: Work, facts: Facts) -> tuple[ProposalState, str] | None:
        """What ends the proposal here, as the state and reason code it ends with."""
        proposal = work.proposal
        if facts.now >= proposal.execute_by:
            return _S.EXPIRED, EXECUTE_BY_PASSED
        refused = _S.DENIED if ProposalState(row.state) is _S.READY else _S.FAILED
        if proposal.dry_run:
            return refused, DRY_RUN
        if proposal.mode != self._mode:
            return refused, MODE_MISMATCH
        wanted = facts.requirement
        approvers = valid_approvals(facts.standing, proposal, wanted, self._public_keys)
        return None if eligibility.is_met(wanted, approvers) else (refused, "approvals_invalid")

    def _waiting_for(self, row: Row[Any], work: Work, facts: Facts) -> str | None:
        """What only a new pass can cure, as a reason code."""
        if halts.covering(facts.halts, row) is not None:
            return "halted"
        last = facts.newest
        if last is None or last.number != work.pass_number:
            return "pass_superseded"
        if not last.result.admitted:
            return "pass_not_admitted"
        if not all(one.counts_at(facts.now) for one in facts.grants):
            return "break_glass_over"
        # One that seems to come from later was judged before the clock went back: how old it is, nobody knows.
        age = facts.now - last.at
        return None if timedelta(0) <= age <= PASS_LASTS else "pass_too_old"

    async def _grant(
        self, connection: AsyncConnection, batch: Batch, work: Work, now: datetime, began: float
    ) -> Granted:
        """Raise the fence and add the intent. `began`: our clock before `now`, the database's, was read."""
        deadline = now + self._timings.call_timeout + self._timings.call_margin
        grant = await leases.raise_fence(connection, work.domain, work.proposal.id, deadline)
        intent = Intent(
            key=work.key,
            proposal_id=work.proposal.id,
            revision=work.proposal.revision,
            step=work.step,
            action=work.action,
            precondition=work.proposal.precondition,
            prior=work.proposal.observation,
            fence=grant.fence,
            call_deadline=deadline,
        )
        intents.add_intent(batch, intent, work.proposal.tenant)
        wait = (grant.wait_until - now).total_seconds() if grant.wait_until else 0.0
        begins_within = self._timings.call_margin
        if work.step is Step.FORWARD:
            begins_within = min(begins_within, work.proposal.execute_by - now)
        return Granted(
            intent=intent,
            wait=max(0.0, wait),
            expires=began + begins_within.total_seconds(),
        )

    async def _close(
        self, connection: AsyncConnection, row: Row[Any], state: ProposalState, reason_code: str
    ) -> EffectOutcome:
        await close_without_effect(connection, row, state, reason_code)
        return EffectOutcome(result=EffectResult.CLOSED, state=state, reason_code=reason_code)


async def _facts(connection: AsyncConnection, row: Row[Any], work: Work) -> Facts:
    """Return what this attempt is judged by. It goes on only when no call of another one can be under way.

    Raises:
        StaleFence: another attempt wrote its intent meanwhile. The next attempt finds out what became of it.
    """
    facts = await admitting.read(connection, work.key, row, work.pass_number)
    if facts.is_open:
        raise StaleFence(f"{work.key}: another attempt acts")
    return facts


async def step_back(
    connection: AsyncConnection, row: Row[Any], work: Work, reason_code: str
) -> EffectOutcome:
    """Give up the turn of a proposal that has called nothing: it needs a new pass, others may go first."""
    await leases.release(connection, work.domain, row.id)
    await breakers.release_probes(connection, row.id, tenant=row.tenant)
    if ProposalState(row.state) is _S.EXECUTING:
        await proposals.move(connection, row, _S.READY, actor=SYSTEM, reason_code=reason_code)
    return EffectOutcome(result=EffectResult.NEEDS_NEW_PASS, state=_S.READY, reason_code=reason_code)


def standing_outcome(row: Row[Any]) -> EffectOutcome:
    """Return what a repeated activity answers about an effect that is past this stage."""
    state = ProposalState(row.state)
    results = {
        _S.VERIFYING: EffectResult.ISSUED,
        _S.ROLLING_BACK: EffectResult.ROLL_BACK,
    }
    result = EffectResult.CLOSED if state.is_final else results.get(state, EffectResult.NEEDS_NEW_PASS)
    return EffectOutcome(result=result, state=state, reason_code=row.reason_code or state.value)


async def _page_once(connection: AsyncConnection, row: Row[Any], halt: Halt) -> None:
    """A wrong outcome that may not be taken back needs a person: told once per halt. Why it was wrong stays noted."""
    key = on_halt(halt.id)
    if row.held_on == key:
        return
    told = "A halt holds the way back to the prior state."
    await proposals.hold(connection, row, key, row.reason_code, told)
    page = outbox.notice(NotificationEvent.DIRTY, row.id, "compensation_halted")
    await outbox.put(connection, OutboxKind.NOTIFY, row.id, page)


def _clock() -> float:
    return asyncio.get_running_loop().time()
