"""VERIFICATION: waits, within bounds, until what runs is what was decided; then closes or turns back."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.closing import close_after_failure, close_after_success
from activities.costing import Outcome
from activities.execution.attempt import EffectTimings
from activities.heartbeat import beating
from activities.verification.judgement import Judgement, expected_of, judge
from adapters.store import intents, proposals
from adapters.store.batch import Batch
from adapters.store.closing import close_without_effect
from adapters.store.database import Database
from contracts.action import Action
from contracts.configuration import BreakerLimits, ConfigurationSource
from contracts.effect import Receipt, ReceiptOutcome, Step, Verification, idempotency_key, restoring
from contracts.errors import NotFound, ProviderError, SluiceError, TargetNotFound
from contracts.messages import EffectInput, VerifyOutcome
from contracts.observation import NodePoolObservation
from contracts.ports import NodePoolReader, ReadyNodeCounter
from contracts.principal import SYSTEM
from contracts.proposal import MODE_MISMATCH, Proposal, ProposalState

_S = ProposalState
logger = structlog.get_logger(__name__)


class VerificationActivities:
    """Registered on the effects queue; it only reads the provider."""

    def __init__(
        self,
        database: Database,
        reader: NodePoolReader,
        ready_nodes: ReadyNodeCounter,
        configuration: ConfigurationSource,
        mode: str,
        timings: EffectTimings,
    ) -> None:
        """`mode` is what `reader` reaches; `timings.operation_timeout` bounds the wait, counted from the receipt."""
        self._database = database
        self._reader = reader
        self._ready_nodes = ready_nodes
        self._configuration = configuration
        self._mode = mode
        self._timings = timings

    @property
    def _breaker(self) -> BreakerLimits:
        return self._configuration.current.limits.breaker

    @activity.defn
    async def verify_effect(self, given: EffectInput) -> VerifyOutcome:
        """Verify one step of a proposal: `succeeded`, `rolling_back`, `rolled_back` or `dirty`. Safe to repeat.

        Raises:
            ApplicationError: typed by reason code, always retryable: nothing is concluded without a reading.
        """
        async with beating():
            try:
                return await self._verify(given)
            except SluiceError as error:
                logger.warning("verification.attempt_failed", reason_code=error.reason_code, exc_info=True)
                raise ApplicationError(str(error), type=error.reason_code) from None

    async def _verify(self, given: EffectInput) -> VerifyOutcome:
        key = idempotency_key(given.proposal_id, given.revision, given.step)
        async with self._database.single() as connection:
            row = await intents.look(connection, given.proposal_id, key)
        if ProposalState(row.state) is not _verified_in(given.step):
            return _standing(row)
        if row.receipt is None:
            raise NotFound(f"{key} has no receipt")
        receipt = Receipt.model_validate(row.receipt)
        proposal = Proposal.model_validate(row.document)
        if proposal.mode != self._mode:
            return await self._abandon(proposal, given.step, MODE_MISMATCH)
        action = _action(proposal, given.step)
        left = receipt.finished_at + self._timings.operation_timeout - row.now
        try:
            seen, judgement, ready = await self._wait(action, given.step, left)
        except ProviderError as error:
            if left > timedelta(0):
                raise
            return await self._abandon(proposal, given.step, error.reason_code)
        return await self._conclude(proposal, action, receipt, seen, judgement, ready)

    async def _abandon(self, proposal: Proposal, step: Step, reason_code: str) -> VerifyOutcome:
        """A person must look: this worker cannot see what the effect was made on."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, proposal.id)
            if ProposalState(row.state) is not _verified_in(step):
                return _standing(row)
            await close_after_failure(connection, row, _S.DIRTY, reason_code, self._breaker)
        return VerifyOutcome(state=_S.DIRTY, reason_code=reason_code)

    async def _wait(
        self, action: Action, step: Step, left: timedelta
    ) -> tuple[NodePoolObservation | None, Judgement, int | None]:
        """Look until it matches, cannot match any more, or the time is over.

        Foreign operations are waited for. One that outlasts the time is no reason to take back what runs as it should.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + left.total_seconds()
        while True:
            is_last = clock() >= give_up
            try:
                seen = await self._reader.observe(action.target)
            except TargetNotFound:
                return None, Judgement(matches=False, settled=True, reason_code="target_not_found"), None
            judged = seen.model_copy(update={"operations": ()}) if is_last else seen
            judgement = judge(action, step, judged, None)
            ready = None
            if judgement.matches:
                ready, reached = await self._count_ready(action)
                judgement = judge(action, step, judged, ready)
                if not reached and not is_last:
                    judgement = Judgement(matches=False, settled=False, reason_code="ready_nodes_unknown")
            if judgement.matches or judgement.settled or is_last:
                return seen, judgement, ready
            await asyncio.sleep(self._timings.poll_interval.total_seconds())

    async def _count_ready(self, action: Action) -> tuple[int | None, bool]:
        """Return the count, and whether it is known that there is none. An outage is no answer yet."""
        try:
            return await self._ready_nodes.count_ready(action.target), True
        except ProviderError:
            return None, False

    async def _conclude(
        self,
        proposal: Proposal,
        action: Action,
        receipt: Receipt,
        seen: NodePoolObservation | None,
        judgement: Judgement,
        ready: int | None,
    ) -> VerifyOutcome:
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, proposal.id)
            if ProposalState(row.state) is not _verified_in(receipt.step):
                return _standing(row)
            found = _verification(receipt, action, seen, judgement, ready, row.now)
            state = _next_state(proposal, receipt, judgement)
            batch = Batch()
            intents.add_verification(batch, found, proposal.tenant)
            await self._close(connection, batch, row, receipt, state, found)
        return VerifyOutcome(state=state, reason_code=judgement.reason_code)

    async def _close(
        self,
        connection: AsyncConnection,
        batch: Batch,
        row: Row[Any],
        receipt: Receipt,
        state: ProposalState,
        found: Verification,
    ) -> None:
        reason_code = found.reason_code
        if state is _S.ROLLING_BACK:
            proposals.add_move(batch, row, state, actor=SYSTEM, reason_code=reason_code)
            await batch.send(connection)
        elif state is not _S.SUCCEEDED:
            await close_after_failure(connection, row, state, reason_code, self._breaker, beside=batch)
        elif receipt.outcome is ReceiptOutcome.NO_OP:
            await close_without_effect(connection, row, state, ReceiptOutcome.NO_OP.value, beside=batch)
        else:
            outcome = Outcome(since=receipt.issued_at or receipt.finished_at, verification=found)
            current = self._configuration.current
            await close_after_success(connection, row, reason_code, current, outcome, beside=batch)


def _verified_in(step: Step) -> ProposalState:
    return _S.VERIFYING if step is Step.FORWARD else _S.ROLLING_BACK


def _action(proposal: Proposal, step: Step) -> Action:
    if step is Step.FORWARD:
        return proposal.action
    undo = restoring(proposal.action, proposal.observation)
    if undo is None:
        raise NotFound(f"{proposal.id} has no way back")
    return undo


def _next_state(proposal: Proposal, receipt: Receipt, judgement: Judgement) -> ProposalState:
    if receipt.step is Step.COMPENSATION:
        return _S.ROLLED_BACK if judgement.matches else _S.DIRTY
    if judgement.matches:
        return _S.SUCCEEDED
    is_ours = receipt.outcome is not ReceiptOutcome.NO_OP
    reversible = restoring(proposal.action, proposal.observation) is not None
    return _S.ROLLING_BACK if is_ours and reversible else _S.DIRTY


def _verification(
    receipt: Receipt,
    action: Action,
    seen: NodePoolObservation | None,
    judgement: Judgement,
    ready: int | None,
    now: datetime,
) -> Verification:
    return Verification(
        key=receipt.key,
        proposal_id=receipt.proposal_id,
        step=receipt.step,
        expected=expected_of(action, seen) if seen else {},
        observed_zones=seen.zones if seen else (),
        observed_bounds=seen.autoscaling if seen else None,
        ready_nodes=ready,
        matches=judgement.matches,
        reason_code=judgement.reason_code,
        took_seconds=max(0.0, (now - receipt.finished_at).total_seconds()),
        at=now,
    )


def _standing(row: Row[Any]) -> VerifyOutcome:
    return VerifyOutcome(state=ProposalState(row.state), reason_code=row.reason_code or row.state)
