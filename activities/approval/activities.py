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

from activities.approval.counting import valid_approvals
from activities.closing import close_without_effect
from adapters.store import audit_log, decisions, ledger, proposals
from adapters.store.database import Database
from adapters.store.schema import proposals as proposals_table
from contracts import eligibility
from contracts.audit import AuditType
from contracts.decision import DecisionKind, DecisionResult, DecisionStatus, SignedDecision
from contracts.errors import NotFound
from contracts.messages import CloseInput, DecisionInput, RefusalInput, Standing, StandingInput
from contracts.principal import SYSTEM
from contracts.proposal import Proposal, ProposalState
from contracts.signature import is_signed_by

DECISION_UNKNOWN = "decision_unknown"
PROPOSAL_CLOSED = "proposal_closed"


class ApprovalActivities:
    """Registered on the main queue, where the workflows run."""

    def __init__(self, database: Database, public_keys: Mapping[str, str]) -> None:
        """`public_keys`: key id → base64 raw Ed25519 public key, as configured for this worker."""
        self._database = database
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
            refusal = self._refusal(row, stored, signed)
            if refusal is None:
                return await self._apply(connection, row, signed)
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
            if moved_on or row.revision != given.revision:
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

    def _refusal(self, row: Row[Any], stored: Row[Any] | None, signed: SignedDecision) -> str | None:
        if stored is None or SignedDecision.model_validate(stored.document) != signed:
            return DECISION_UNKNOWN
        if not is_signed_by(signed, self._public_keys):
            return eligibility.BAD_SIGNATURE
        status = DecisionStatus(stored.status)
        if status is DecisionStatus.APPLIED:
            return None
        if status is not DecisionStatus.RECORDED:
            return str(stored.reason_code or status)
        if ProposalState(row.state) is not ProposalState.AWAITING_APPROVAL:
            return PROPOSAL_CLOSED
        if signed.decision.revision != row.revision:
            return eligibility.STALE_REVISION
        return None if signed.decision.proposal_digest == row.digest else eligibility.STALE_DIGEST

    async def _apply(
        self, connection: AsyncConnection, row: Row[Any], signed: SignedDecision
    ) -> DecisionResult:
        """Take the decision unless it was taken before, and say where that leaves the proposal."""
        decision = signed.decision
        is_new = await decisions.apply(connection, signed)
        if is_new and decision.kind is DecisionKind.REQUEST_CHANGE:
            await decisions.void_votes(connection, signed)
        wanted = await decisions.requirement(connection, row.id, decision.revision)
        proposal = Proposal.model_validate(row.document)
        approvers = await valid_approvals(connection, proposal, wanted, self._public_keys)
        state = ProposalState(row.state)
        if is_new and decision.kind is DecisionKind.REJECT:
            state = ProposalState.REJECTED
            await ledger.release_all(connection, row.id)
            await proposals.move(
                connection,
                row,
                state,
                actor=decision.reviewer,
                reason_code="rejected",
                message=decision.reason,
            )
        elif is_new and eligibility.is_met(wanted, approvers):
            state = ProposalState.READY
            await proposals.move(connection, row, state, actor=decision.reviewer, reason_code="approved")
        return DecisionResult(
            decision_id=decision.id, state=state.value, approvals=len(approvers), quorum=wanted.quorum
        )


def _standing(row: Row[Any]) -> Standing:
    return Standing(
        state=ProposalState(row.state), revision=row.revision, reason_code=row.reason_code or row.state
    )


def _refusal_of(signed: SignedDecision, reason_code: str) -> RefusalInput:
    decision = signed.decision
    return RefusalInput(
        proposal_id=decision.proposal_id,
        tenant=decision.tenant,
        decision_id=decision.id,
        claimed_reviewer="/".join(eligibility.voter(decision.reviewer)),
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
