"""EXECUTION: takes one effect to the end of the provider's operation, exactly once however often it is started.

Every attempt reads the record first. What an older attempt may have begun is found and followed; only when nothing
was begun is a new intent written, the target read once more, and the one call made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.execution.admission import Admission, standing_outcome
from activities.execution.attempt import BUSY, TOO_LATE, EffectTimings, Granted, Issued, Withdrawn, Work
from activities.execution.conclusion import Conclusion
from activities.execution.lateness import Lateness
from activities.execution.recognition import (
    UNCLEAR,
    Finding,
    before_compensation,
    before_effect,
    is_late,
    own_operation,
)
from activities.heartbeat import Pulse, beating
from adapters.store import intents, leases, proposals
from adapters.store.database import Database
from contracts.action import ResizeNodePool
from contracts.configuration import ConfigurationSource
from contracts.effect import (
    LATE_CALL,
    EffectResult,
    Intent,
    ReceiptOutcome,
    Step,
    idempotency_key,
    restoring,
)
from contracts.errors import (
    ProviderAmbiguous,
    ProviderConflict,
    ProviderError,
    ProviderRefused,
    SluiceError,
    StaleFence,
    TargetNotFound,
)
from contracts.messages import EffectInput, EffectOutcome
from contracts.observation import NodePoolObservation, ProviderOperation
from contracts.ports import NodePoolEffector, NodePoolReader
from contracts.proposal import MODE_MISMATCH, Proposal, ProposalState

logger = structlog.get_logger(__name__)


class EffectActivities:
    """Registered on the effects queue, whose process holds the provider's credentials."""

    def __init__(
        self,
        database: Database,
        reader: NodePoolReader,
        effector: NodePoolEffector,
        configuration: ConfigurationSource,
        public_keys: Mapping[str, str],
        mode: str,
        timings: EffectTimings,
    ) -> None:
        """`mode` is what `effector` reaches: `practice`, `endpoint` or `google`."""
        self._database = database
        self._reader = reader
        self._effector = effector
        self._configuration = configuration
        self._mode = mode
        self._timings = timings
        self._admission = Admission(database, dict(public_keys), mode, timings)
        self._conclusion = Conclusion(database, configuration, mode)
        self._lateness = Lateness(database, reader, self._conclusion)

    @activity.defn
    async def execute_action(self, given: EffectInput) -> EffectOutcome:
        """Take the effect, or its compensation, and write its receipt. Safe to repeat from any point.

        A provider that could not be asked for all of `operation_timeout` leaves it `dirty`: only a person can tell.

        Raises:
            ApplicationError: typed by reason code, always retryable: another attempt reads and goes on.
        """
        async with beating() as pulse:
            try:
                return await self._execute(given, pulse)
            except SluiceError as error:
                await self._conclusion.count_unreachable(given.proposal_id, error.reason_code)
                if isinstance(error, ProviderError) and await self._is_overdue(given):
                    return await self._conclusion.abandon(given.proposal_id, error.reason_code)
                # An effect may be under way: giving up is never an answer. The next attempt reads and goes on.
                logger.warning("effect.attempt_failed", reason_code=error.reason_code, exc_info=True)
                raise ApplicationError(str(error), type=error.reason_code) from None

    async def _is_overdue(self, given: EffectInput) -> bool:
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, given.proposal_id)
        # While a halt held it, nobody asked.
        since = max(row.state_since, row.held_until or row.state_since)
        return bool(row.now - since > self._timings.operation_timeout)

    async def _execute(self, given: EffectInput, pulse: Pulse) -> EffectOutcome:
        key = idempotency_key(given.proposal_id, given.revision, given.step)
        async with self._database.single() as connection:
            row = await intents.look(connection, given.proposal_id, key)
        state = ProposalState(row.state)
        expected = (
            (ProposalState.READY, ProposalState.EXECUTING)
            if given.step is Step.FORWARD
            else (ProposalState.ROLLING_BACK,)
        )
        if state not in expected or row.revision != given.revision:
            return standing_outcome(row)
        if row.receipt is not None:
            return EffectOutcome(result=EffectResult.ISSUED, state=state, reason_code=row.reason_code or "")
        proposal = Proposal.model_validate(row.document)
        work = _work(proposal, given, key)
        if work is None:
            return await self._conclusion.abandon(given.proposal_id, "not_reversible")
        has_begun = row.effect is not None and row.settled_at is None
        barred = self._barred(proposal) if has_begun or given.step is Step.COMPENSATION else None
        if barred is not None:
            return await self._conclusion.abandon(given.proposal_id, barred)
        issued: Issued | EffectOutcome | None = None
        if has_begun:
            issued = await self._recover(work)
        if issued is None:
            issued = await self._begin(work)
        if isinstance(issued, EffectOutcome):
            return issued
        return await self._follow(work, issued, pulse)

    def _barred(self, proposal: Proposal) -> str | None:
        """Return why this worker can neither follow nor take back what was begun: it reaches something else."""
        if proposal.mode != self._mode:
            return MODE_MISMATCH
        return (
            None
            if self._configuration.current.registered(proposal.action.target)
            else "target_not_registered"
        )

    async def _recover(self, work: Work) -> Issued | EffectOutcome | None:
        """Find what an older attempt may have begun. None: nothing was, and nothing can be in flight any more."""
        try:
            async with self._database.transaction() as connection:
                now = (await proposals.lock(connection, work.proposal.id)).now
                grant = await leases.raise_fence(connection, work.domain, work.proposal.id, now)
                await intents.take_over(connection, work.key, grant.fence)
                record = await intents.find(connection, work.key)
        except StaleFence:
            return await self._conclusion.abandon(work.proposal.id, "lease_lost")
        if record is None or record.fence != grant.fence:
            raise StaleFence(f"{work.key}: a newer attempt acts")
        intent = Intent.model_validate(record.document).model_copy(update={"fence": grant.fence})
        if record.operation is not None:
            # Not before it began: a clock that went back meanwhile gives it no more time.
            since = _clock() - max(0.0, (now - record.issued_at).total_seconds())
            return Issued(intent, record.operation, record.issued_at, adopted=True, since=since)
        if grant.wait_until is not None:
            await asyncio.sleep(max(0.0, (grant.wait_until - now).total_seconds()))
        operations = await self._reader.list_operations(work.action.target)
        async with self._database.transaction() as connection:
            at = (await proposals.lock(connection, work.proposal.id)).now
            names = [operation.name for operation in operations]
            strangers = await intents.operations_of_others(connection, work.key, names)
            since = record.created_at
            found = own_operation(operations, work.action, since=since, strangers=strangers)
            older = own_operation(operations, work.action, since=since - UNCLEAR, strangers=strangers)
            if found is not None:
                await intents.issue(connection, intent, found.name, work.proposal.tenant, at, adopted=True)
            elif older is None:
                await intents.withdraw(connection, work.key, work.proposal.id, grant.fence)
                return None
        if found is None:
            return await self._conclusion.give_up(intent, "operation_unclear")
        return Issued(intent, found.name, at, adopted=True, since=_clock())

    async def _begin(self, work: Work) -> Issued | EffectOutcome:
        """Write the intent, read the target, and make the one call. Busy targets are waited for."""
        limit = self._timings.busy_wait if work.step is Step.FORWARD else self._timings.operation_timeout
        give_up = _clock() + limit.total_seconds()
        while True:
            granted = await self._admit(work)
            if isinstance(granted, EffectOutcome):
                return granted
            if granted is not None:
                await asyncio.sleep(granted.wait)
                begun = await self._act(work, granted)
                if not isinstance(begun, Withdrawn):
                    return begun
                if begun is BUSY:
                    await self._until_idle(work, give_up)
                if work.step is Step.FORWARD:
                    return await self._conclusion.step_back(work, granted.intent, begun.reason_code)
                if _clock() > give_up:
                    code = "target_stayed_busy" if begun is BUSY else begun.reason_code
                    return await self._conclusion.give_up(granted.intent, code)
            else:
                # A halt holds it: nobody has tried yet.
                give_up = _clock() + limit.total_seconds()
            await asyncio.sleep(self._timings.poll_interval.total_seconds())

    async def _admit(self, work: Work) -> Granted | EffectOutcome | None:
        if work.step is Step.FORWARD:
            return await self._admission.forward(work)
        return await self._admission.compensation(work)

    async def _act(self, work: Work, granted: Granted) -> Issued | EffectOutcome | Withdrawn:
        """Check, then act."""
        try:
            seen = await self._reader.observe(work.action.target)
        except ProviderRefused as refusal:
            return await self._conclusion.unreachable(work, granted.intent, refusal.reason_code)
        except ProviderError:
            await self._withdraw(granted.intent)
            raise
        finding = _find(work, seen)
        if finding is Finding.AT_TARGET:
            return await self._conclusion.write(work, granted.intent, ReceiptOutcome.NO_OP)
        if finding is Finding.CHANGED:
            return await self._conclusion.changed(work, granted.intent)
        if finding is Finding.BUSY:
            await self._withdraw(granted.intent)
            return BUSY
        return await self._call(work, granted)

    async def _call(self, work: Work, granted: Granted) -> Issued | EffectOutcome | Withdrawn:
        """Make the call, unless it would come too late or somebody else's operation got in first."""
        intent = granted.intent
        async with self._database.single() as connection:
            if not await intents.is_current(connection, intent.key, intent.fence):
                raise StaleFence(f"{intent.key}: a newer attempt acts")
        if _clock() >= granted.expires:
            await self._withdraw(intent)
            return TOO_LATE
        try:
            operation = await self._send(work)
        except (ProviderAmbiguous, asyncio.CancelledError):
            # Only reading can tell; the next attempt does, once no answer can be on its way any more.
            await self._lateness.look(work, intent, None)
            raise
        except ProviderConflict:
            await self._withdraw(intent)
            return BUSY
        except ProviderRefused as refusal:
            return await self._conclusion.refused(work, intent, refusal.reason_code)
        except ProviderError:
            await self._withdraw(intent)
            raise
        answered_in_time = _clock() < granted.expires + self._timings.call_timeout.total_seconds()
        return await self._record(work, intent, operation, in_time=answered_in_time)

    async def _record(self, work: Work, intent: Intent, operation: str, *, in_time: bool) -> Issued:
        try:
            async with self._database.transaction() as connection:
                at = (await proposals.lock(connection, work.proposal.id)).now
                await intents.issue(connection, intent, operation, work.proposal.tenant, at, adopted=False)
        except (SluiceError, asyncio.CancelledError):
            # A newer attempt acts; or nobody can say whether one does, before the database answers again.
            await self._lateness.look(work, intent, operation)
            raise
        return Issued(intent, operation, at, adopted=False, since=_clock(), in_time=in_time)

    async def _send(self, work: Work) -> str:
        """Send it. The time-out holds for connecting too: after the call deadline nothing may go out any more."""
        action, timeout = work.action, self._timings.call_timeout
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                if isinstance(action, ResizeNodePool):
                    return await self._effector.set_size(action.target, action.node_count, timeout=timeout)
                return await self._effector.set_autoscaling(
                    action.target, action.min_node_count, action.max_node_count, timeout=timeout
                )
        except TimeoutError as error:
            raise ProviderAmbiguous(f"{work.key}: no answer within {timeout}") from error

    async def _follow(self, work: Work, issued: Issued, pulse: Pulse) -> EffectOutcome:
        """Poll the operation to its end and write the receipt. One that began too late is left to a person."""
        pulse.detail = issued.operation
        give_up = issued.since + self._timings.operation_timeout.total_seconds()
        while True:
            operation = await self._look_up(work, issued.operation)
            if operation is not None and _began_late(operation, issued):
                return await self._conclusion.late(issued.intent, operation.name, LATE_CALL)
            if operation is None or not operation.is_running:
                break
            if _clock() >= give_up:
                return await self._conclusion.write(
                    work, issued.intent, ReceiptOutcome.OPERATION_FAILED, issued, "operation_timeout"
                )
            await asyncio.sleep(self._timings.poll_interval.total_seconds())
        error = operation.error_code if operation is not None else None
        outcome = ReceiptOutcome.OPERATION_FAILED if error else ReceiptOutcome.APPLIED
        return await self._conclusion.write(work, issued.intent, outcome, issued, error)

    async def _look_up(self, work: Work, name: str) -> ProviderOperation | None:
        """None when the provider no longer knows the operation: verification judges by what runs."""
        try:
            return await self._reader.get_operation(work.action.target, name)
        except TargetNotFound:
            return None

    async def _until_idle(self, work: Work, give_up: float) -> None:
        """Wait until no operation runs on the cluster, or long enough."""
        while _clock() < give_up:
            operations = await self._reader.list_operations(work.action.target)
            if not any(operation.is_running for operation in operations):
                return
            await asyncio.sleep(self._timings.poll_interval.total_seconds())

    async def _withdraw(self, intent: Intent) -> None:
        async with self._database.transaction() as connection:
            await proposals.lock(connection, intent.proposal_id)
            await intents.withdraw(connection, intent.key, intent.proposal_id, intent.fence)


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _began_late(operation: ProviderOperation, issued: Issued) -> bool:
    return not issued.in_time and is_late(operation, issued.intent.call_deadline)


def _work(proposal: Proposal, given: EffectInput, key: str) -> Work | None:
    is_forward = given.step is Step.FORWARD
    action = proposal.action if is_forward else restoring(proposal.action, proposal.observation)
    if action is None:
        return None
    return Work(proposal=proposal, step=given.step, key=key, action=action, pass_number=given.pass_number)


def _find(work: Work, seen: NodePoolObservation) -> Finding:
    proposal = work.proposal
    if work.step is Step.FORWARD:
        return before_effect(work.action, seen, holds=proposal.precondition.holds_for(seen))
    return before_compensation(work.action, proposal.action, proposal.observation, seen)
