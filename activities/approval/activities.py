"""APPROVAL: what becomes of a decision, and of a proposal nobody decided in time. One transaction each.

The workflow's validator has judged the message already. Here it is judged again by what the database holds: only a
decision that the API stored, signed under a configured key, moves a proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.approval.counting import ballot_of
from activities.outcomes import review_outcomes
from adapters.store import audit_log, breakers, decisions, ledger, proposals
from adapters.store.closing import close_without_effect
from adapters.store.database import Database, database_now
from adapters.store.schema import proposals as proposals_table
from contracts import approval, eligibility
from contracts.audit import AuditType
from contracts.configuration import ConfigurationSource
from contracts.decision import DecisionKind, DecisionResult, DecisionStatus, SignedDecision
from contracts.errors import NotFound
from contracts.messages import (
    CloseInput,
    DecisionInput,
    RefusalInput,
    Standing,
    StandingInput,
    summary_of,
)
from contracts.principal import SYSTEM
from contracts.proposal import Draft, ProposalState
from contracts.signature import is_signed_by

DECISION_UNKNOWN = "decision_unknown"
_OVERRIDES = (DecisionKind.REJECT, DecisionKind.REQUEST_CHANGE)


class ApprovalActivities:
    """Registered on the main queue, where the workflows run."""

    def __init__(
        self,
        database: Database,
        public_keys: Mapping[str, str],
        configuration: ConfigurationSource,
    ) -> None:
        """`public_keys`: key id → base64 raw Ed25519 public key, as configured for this worker.

        `configuration` says when an agent is overridden too often.
        """
        self._database = database
        self._configuration = configuration
        self._public_keys = dict(public_keys)

    @activity.defn
    async def record_decision(self, given: DecisionInput) -> DecisionResult:
        """Apply a decision the validator let through: a vote, a rejection, or a request for change.

        A repetition returns where the proposal stands by now.

        Raises:
            ApplicationError: typed by its reason code. It was not stored, is settled otherwise, or comes too late.
        """
        signed = given.signed
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, signed.decision.proposal_id)
            stored = await decisions.find(connection, signed.decision.id)
            refusal = self._unproven(stored, signed)
            if refusal is None:
                before = await ballot_of(
                    connection,
                    row,
                    signed.decision.revision,
                    self._public_keys,
                    deciding=signed.decision.id,
                )
                if stored is not None and stored.status == DecisionStatus.APPLIED.value:
                    return _result(signed, before)
                after = _counted(row, before, signed)
                if isinstance(after, approval.Ballot):
                    return await self._apply(connection, row, signed, after)
                refusal = after.reason_code
            if not await decisions.refuse(connection, signed.decision.id, refusal, SYSTEM):
                await _audit_refusal(connection, _refusal_of(signed, refusal))
        raise ApplicationError("the decision does not count", type=refusal, non_retryable=True)

    @activity.defn
    async def record_refusal(self, given: RefusalInput) -> None:
        """Audit a message that was no decision. The claimed reviewer is stored as claimed, not as proven."""
        async with self._database.transaction() as connection:
            await _audit_refusal(connection, given)

    @activity.defn
    async def close_proposal(self, given: CloseInput) -> Standing:
        """Close a proposal that still waits, giving back what it holds. One that moved on is left as it is."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, given.proposal_id)
            state = ProposalState(row.state)
            moved_on = not state.precedes_execution or given.only_from not in (None, state)
            too_late = given.only_from is not None and not approval.may_expire(state)
            if moved_on or too_late or row.revision != given.revision:
                return _standing(row)
            await close_without_effect(connection, row, given.state, given.reason_code)
        return Standing(state=given.state, revision=row.revision, reason_code=given.reason_code)

    @activity.defn
    async def read_state(self, given: StandingInput) -> Standing:
        """Tell where a proposal stands."""
        wanted = select(proposals_table).where(proposals_table.c.id == given.proposal_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound(f"there is no proposal {given.proposal_id}")
        return _standing(row)

    def _unproven(self, stored: Row[Any] | None, signed: SignedDecision) -> str | None:
        """Why this is not a decision that the API stored and nobody has settled otherwise."""
        if stored is None or SignedDecision.model_validate(stored.document) != signed:
            return DECISION_UNKNOWN
        if not is_signed_by(signed, self._public_keys):
            return eligibility.BAD_SIGNATURE
        status = DecisionStatus(stored.status)
        is_open = status in (DecisionStatus.APPLIED, DecisionStatus.RECORDED)
        return None if is_open else str(stored.reason_code or status)

    async def _apply(
        self, connection: AsyncConnection, row: Row[Any], signed: SignedDecision, after: approval.Ballot
    ) -> DecisionResult:
        """Write what a decision that counts does to the votes before it and to the proposal."""
        decision = signed.decision
        await decisions.apply(connection, signed)
        if decision.kind is DecisionKind.REQUEST_CHANGE:
            await decisions.void_votes(connection, signed)
        if after.state is ProposalState.READY or decision.kind in _OVERRIDES:
            await self._judge_agent(connection, row, decision.kind)
        if after.state is ProposalState.REJECTED:
            await ledger.release_all(connection, row.id)
            await proposals.move(
                connection,
                row,
                after.state,
                actor=decision.reviewer,
                reason_code="rejected",
                message=decision.reason,
            )
        elif after.state is ProposalState.READY:
            await proposals.move(
                connection, row, after.state, actor=decision.reviewer, reason_code="approved"
            )
        return _result(signed, after)

    async def _judge_agent(self, connection: AsyncConnection, row: Row[Any], kind: DecisionKind) -> None:
        """Count what people made of an agent's proposal. Its breaker is locked before any budget."""
        if outcomes := review_outcomes(row, kind):
            now, limits = await database_now(connection), self._configuration.current.limits.breaker
            await breakers.record(connection, outcomes, limits, now, tenant=row.tenant)


def _counted(
    row: Row[Any], before: approval.Ballot, signed: SignedDecision
) -> approval.Ballot | approval.Refusal:
    """In time is what the API stored in time: the clock of the moment it is applied says nothing."""
    if signed.decision.revision != row.revision:
        return approval.Refusal(eligibility.STALE_REVISION)
    return approval.decide(before, signed, signed.decision.at)


def _result(signed: SignedDecision, ballot: approval.Ballot) -> DecisionResult:
    return DecisionResult(
        decision_id=signed.decision.id,
        state=ballot.state.value,
        approvals=len(ballot.approvers),
        quorum=approval.requirement_of(ballot).quorum,
    )


def _standing(row: Row[Any]) -> Standing:
    was_edited = row.revision > 1
    return Standing(
        state=ProposalState(row.state),
        revision=row.revision,
        reason_code=row.reason_code or row.state,
        summary=summary_of(Draft.model_validate(row.draft).action) if was_edited else None,
    )


def _refusal_of(signed: SignedDecision, reason_code: str) -> RefusalInput:
    decision = signed.decision
    return RefusalInput(
        proposal_id=decision.proposal_id,
        tenant=decision.tenant,
        decision_id=decision.id,
        claimed_reviewer=decision.reviewer.spelled,
        reason_code=reason_code,
    )


async def _audit_refusal(connection: AsyncConnection, given: RefusalInput) -> None:
    refused = audit_log.event(
        AuditType.DECISION_REFUSED,
        tenant=given.tenant,
        subject=given.proposal_id,
        actor=SYSTEM,
        payload=given,
    )
    await audit_log.append(connection, refused)
