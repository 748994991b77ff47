"""EXECUTION, the end of a step: receipt, move and audit in one transaction, with everything given back that is free."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.closing import close_after_failure
from activities.execution.admission import standing_outcome, step_back
from activities.execution.attempt import Issued, Work
from adapters.store import audit_log, breakers, intents, outbox, proposals
from adapters.store.batch import Batch
from adapters.store.closing import close_without_effect
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from contracts.audit import AuditType
from contracts.circuit_breaker import UNREACHABLE, Outcome, provider_breaker
from contracts.configuration import BreakerLimits, ConfigurationSource, NotificationEvent
from contracts.effect import EffectResult, Intent, Receipt, ReceiptOutcome, Step, restoring
from contracts.errors import SluiceError, StaleFence
from contracts.messages import EffectOutcome
from contracts.principal import SYSTEM
from contracts.proposal import TRANSITIONS, ProposalState

_S = ProposalState
logger = structlog.get_logger(__name__)


class Conclusion:
    """Writes how a step ended. Each method is one transaction; a proposal that moved on meanwhile is left alone."""

    def __init__(self, database: Database, configuration: ConfigurationSource, mode: str) -> None:
        """`mode` is written on every receipt."""
        self._database = database
        self._configuration = configuration
        self._mode = mode

    @property
    def _breaker(self) -> BreakerLimits:
        return self._configuration.current.limits.breaker

    async def write(
        self,
        work: Work,
        intent: Intent,
        outcome: ReceiptOutcome,
        issued: Issued | None = None,
        error_code: str | None = None,
    ) -> EffectOutcome:
        """Write the receipt of an effect that took place, or was not needed, and move on."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, work.proposal.id)
            batch = self._receipt(row, intent, outcome, issued, error_code)
            reason = error_code or outcome.value
            failed = outcome is ReceiptOutcome.OPERATION_FAILED
            if work.step is Step.FORWARD and not failed:
                proposals.add_move(batch, row, _S.VERIFYING, actor=SYSTEM, reason_code=reason)
                await batch.send(connection)
                return EffectOutcome(result=EffectResult.ISSUED, state=_S.VERIFYING, reason_code=reason)
            await batch.send(connection)
            if work.step is Step.COMPENSATION:
                if failed:
                    return await self._dirty(connection, row, reason)
                return EffectOutcome(result=EffectResult.ISSUED, state=_S.ROLLING_BACK, reason_code=reason)
            if restoring(work.proposal.action, work.proposal.observation) is None:
                return await self._dirty(connection, row, reason)
            await proposals.move(connection, row, _S.ROLLING_BACK, actor=SYSTEM, reason_code=reason)
            return EffectOutcome(result=EffectResult.ROLL_BACK, state=_S.ROLLING_BACK, reason_code=reason)

    async def refused(self, work: Work, intent: Intent, reason_code: str) -> EffectOutcome:
        """The provider refused the call; nothing was changed by it."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, work.proposal.id)
            batch = self._receipt(row, intent, ReceiptOutcome.REFUSED, None, reason_code)
            await batch.send(connection)
            if work.step is Step.COMPENSATION:
                return await self._dirty(connection, row, reason_code)
            await close_after_failure(connection, row, _S.FAILED, reason_code, self._breaker)
            return _closed(_S.FAILED, reason_code)

    async def unreachable(self, work: Work, intent: Intent, reason_code: str) -> EffectOutcome:
        """The target cannot be read any more, for good; nothing was called."""
        if work.step is Step.COMPENSATION:
            return await self.give_up(intent, reason_code)
        state = _S.STALE if reason_code == "target_not_found" else _S.FAILED
        return await self._close_unchanged(work, intent, state, reason_code)

    async def changed(self, work: Work, intent: Intent) -> EffectOutcome:
        """Somebody else changed the target: what was approved is no longer what would happen."""
        if work.step is Step.COMPENSATION:
            return await self.give_up(intent, "changed_by_others")
        return await self._close_unchanged(work, intent, _S.STALE, "target_changed")

    async def step_back(self, work: Work, intent: Intent, reason_code: str) -> EffectOutcome:
        """Nothing was called and something is in the way: a new pass, and others may go first."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, work.proposal.id)
            await _still_ours(connection, intent)
            if ProposalState(row.state) is not _S.EXECUTING:
                return standing_outcome(row)
            return await step_back(connection, row, work, reason_code)

    async def give_up(self, intent: Intent, reason_code: str) -> EffectOutcome:
        """A person must look: the target is neither as it was nor as it should be."""
        return await self._mark_dirty(intent.proposal_id, reason_code, intent)

    async def abandon(self, proposal_id: str, reason_code: str) -> EffectOutcome:
        """A person must look: no call may be made for this effect any more."""
        return await self._mark_dirty(proposal_id, reason_code, None)

    async def late(self, intent: Intent, operation: str | None, reason_code: str) -> EffectOutcome:
        """A call was made too late, or nobody can tell. No success is told of it, and somebody is paged."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, intent.proposal_id)
            payload = intent.model_dump(mode="json", include={"key", "proposal_id", "step", "fence"})
            event = audit_log.event(
                AuditType.EFFECT_LATE,
                tenant=row.tenant,
                subject=row.id,
                actor=SYSTEM,
                payload=payload | {"operation": operation, "reason_code": reason_code},
            )
            await audit_log.append(connection, event)
            state = ProposalState(row.state)
            if _S.DIRTY in TRANSITIONS.get(state, ()):
                return await self._dirty(connection, row, reason_code)
            if state is _S.READY:
                await close_without_effect(connection, row, _S.STALE, reason_code)
            told = outbox.notice(NotificationEvent.DIRTY, row.id, reason_code)
            await outbox.put(connection, OutboxKind.NOTIFY, row.id, told)
            return standing_outcome(row)

    async def count_unreachable(self, proposal_id: str, reason_code: str) -> None:
        """Count an attempt that the provider did not answer against the provider's breaker. Never in the way."""
        if reason_code not in UNREACHABLE:
            return
        try:
            async with self._database.transaction() as connection:
                row = await proposals.lock(connection, proposal_id)
                outcome = Outcome(provider_breaker(row.action_kind), False, reason_code, owner=proposal_id)
                await breakers.record(connection, [outcome], self._breaker, row.now, tenant=row.tenant)
        except SluiceError:
            logger.warning("breaker.not_counted", reason_code=reason_code, exc_info=True)

    async def _mark_dirty(self, proposal_id: str, reason_code: str, intent: Intent | None) -> EffectOutcome:
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            if intent is not None:
                await _still_ours(connection, intent)
            if ProposalState(row.state) not in (_S.EXECUTING, _S.ROLLING_BACK):
                return standing_outcome(row)
            return await self._dirty(connection, row, reason_code)

    async def _dirty(self, connection: AsyncConnection, row: Row[Any], reason_code: str) -> EffectOutcome:
        await close_after_failure(connection, row, _S.DIRTY, reason_code, self._breaker)
        return _closed(_S.DIRTY, reason_code)

    async def _close_unchanged(
        self, work: Work, intent: Intent, state: ProposalState, reason_code: str
    ) -> EffectOutcome:
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, work.proposal.id)
            await _still_ours(connection, intent)
            await intents.withdraw(connection, intent.key, intent.proposal_id, intent.fence)
            if ProposalState(row.state) is not _S.EXECUTING:
                return standing_outcome(row)
            await close_without_effect(connection, row, state, reason_code)
            return _closed(state, reason_code)

    def _receipt(
        self,
        row: Row[Any],
        intent: Intent,
        outcome: ReceiptOutcome,
        issued: Issued | None,
        error_code: str | None,
    ) -> Batch:
        """Return the receipt as a batch that is still to be sent."""
        receipt = Receipt(
            key=intent.key,
            proposal_id=intent.proposal_id,
            step=intent.step,
            fence=intent.fence,
            outcome=outcome,
            operation=issued.operation if issued else None,
            adopted=issued.adopted if issued else False,
            error_code=error_code,
            mode=self._mode,
            issued_at=issued.at if issued else None,
            finished_at=row.now,
        )
        batch = Batch()
        intents.add_receipt(batch, receipt, row.tenant)
        return batch


async def _still_ours(connection: AsyncConnection, intent: Intent) -> None:
    """A late attempt may not close under a newer one that acts."""
    if not await intents.is_current(connection, intent.key, intent.fence):
        raise StaleFence(f"{intent.key}: a newer attempt acts")


def _closed(state: ProposalState, reason_code: str) -> EffectOutcome:
    return EffectOutcome(result=EffectResult.CLOSED, state=state, reason_code=reason_code)
