"""APPROVAL over HTTP: check the person, sign the decision, commit it, then hand it to the workflow.

Two writers, one hand-off (design §4): the signed decision is stored before Temporal is asked. 200 says the workflow
applied it; 202 says it is stored and the dispatcher will deliver it under the same id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import decisions, delegations, outbox, proposal_reads
from adapters.store.outbox import OutboxKind
from api.handoff import HANDOFF_DELAY, within
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, describe
from api.proposals.closing import locked
from api.proposals.eligibility import ANY_APPROVER, why_not
from api.proposals.schemas import DecideBody, Decided
from api.proposals.view import voted
from contracts import eligibility
from contracts.base import new_id
from contracts.decision import Decision, DecisionKind, DecisionResult, DecisionStatus, SignedDecision
from contracts.delegation import Acting, acting, covering
from contracts.errors import (
    AlreadyVoted,
    DecisionNotAccepted,
    StoreUnavailable,
    WorkflowUnavailable,
)
from contracts.evaluation import Evaluation
from contracts.override import overrides_a_window
from contracts.principal import Principal
from contracts.proposal import Draft, ProposalState
from contracts.signature import sign

_log = structlog.get_logger(__name__)
_NEED_A_REASON = frozenset({DecisionKind.REJECT, DecisionKind.REQUEST_CHANGE})


@dataclass(frozen=True)
class _Recorded:
    """What was committed."""

    signed: SignedDecision
    outbox_row: int
    answer: Answer
    quorum: int


async def decide(
    parts: ApiParts, proposal_id: str, body: DecideBody, reviewer: Principal, claim: Claim
) -> Answer:
    """Store one person's signed decision and try to have the workflow apply it.

    Raises:
        Problem: 403 not eligible; 404; 409 stale, expired, decided or voted already; 422 no reason given for
            saying no or for overriding a closed window.
    """
    if body.decision in _NEED_A_REASON:
        _has_a_reason(body, f"Say why: {body.decision} needs a reason.")
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        recorded = await _record(parts, connection, proposal_id, body, reviewer)
        await claim.keep(connection, recorded.answer)
    return await _deliver(parts, recorded, claim)


async def _record(
    parts: ApiParts, connection: AsyncConnection, proposal_id: str, body: DecideBody, reviewer: Principal
) -> _Recorded:
    row = await locked(parts, connection, proposal_id)
    evaluation = await proposal_reads.newest_evaluation(connection, proposal_id, row.revision)
    votes = await proposal_reads.votes(connection, proposal_id)
    held = await delegations.lent_to(connection, parts.tenant, reviewer, holding=True)
    lent, authors = covering(held, row.environment, row.team), Draft.model_validate(row.draft).authors
    refused = why_not(
        reviewer,
        state=ProposalState(row.state),
        authors=authors,
        requirement=evaluation.requirement if evaluation else None,
        voted=voted(votes, row.revision),
        decide_by=row.decide_by,
        now=row.now,
        lent=lent,
        kind=body.decision,
    )
    if refused is not None:
        raise Problem(refused.status, refused.code, refused.message)
    judged = _up_to_date(row, evaluation, body)
    if body.decision is DecisionKind.APPROVE and overrides_a_window(judged.verdicts):
        _has_a_reason(body, "Say why it cannot wait: approving it overrides a closed change window.")
    acted = acting(reviewer, lent, authors, judged.requirement or ANY_APPROVER)
    signed = _signed(parts, row, body, judged, acted)
    try:
        await decisions.record(connection, signed, reviewer)
    except AlreadyVoted as error:
        raise Problem(409, error.reason_code, "Another decision of yours came at the same moment.") from error
    outbox_row = await outbox.put(connection, OutboxKind.DECIDE, signed.decision.id, delay=HANDOFF_DELAY)
    quorum = judged.requirement.quorum if judged.requirement else 1
    decided = Decided(
        decision_id=signed.decision.id,
        status=DecisionStatus.RECORDED,
        state=ProposalState(row.state),
        approvals=sum(_is_applied_approval(vote, row.revision) for vote in votes),
        quorum=quorum,
    )
    return _Recorded(signed, outbox_row, Answer.of(202, decided), quorum)


def _signed(
    parts: ApiParts, row: Row[Any], body: DecideBody, judged: Evaluation, acted: Acting
) -> SignedDecision:
    decision = Decision(
        id=new_id("dec"),
        tenant=parts.tenant,
        proposal_id=row.id,
        revision=row.revision,
        kind=body.decision,
        reviewer=acted.reviewer,
        on_behalf_of=acted.on_behalf_of,
        proposal_digest=row.digest,
        evaluation_digest=judged.digest,
        reason=body.reason,
        reason_name=body.reason_name,
        at=row.now,
        key_id=parts.key_id,
    )
    return sign(decision, parts.signing_key)


def _has_a_reason(body: DecideBody, told: str) -> None:
    if not body.reason.strip():
        raise Problem(422, "reason_required", told)


def _is_applied_approval(vote: Row[Any], revision: int) -> bool:
    stands = (vote.status, vote.revision, vote.kind)
    return stands == (DecisionStatus.APPLIED, revision, DecisionKind.APPROVE)


def _up_to_date(row: Row[Any], evaluation: Evaluation | None, body: DecideBody) -> Evaluation:
    stale = "What you saw is out of date: look again, then decide."
    if body.revision != row.revision:
        raise Problem(409, eligibility.STALE_REVISION, stale, revision=row.revision, digest=row.digest)
    if body.digest != row.digest:
        raise Problem(409, eligibility.STALE_DIGEST, stale, revision=row.revision, digest=row.digest)
    if evaluation is None or body.evaluation_digest not in (None, evaluation.digest):
        raise Problem(409, "stale_evaluation", stale, revision=row.revision, digest=row.digest)
    return evaluation


async def _deliver(parts: ApiParts, recorded: _Recorded, claim: Claim) -> Answer:
    try:
        result = await within(parts.gateway_timeout, parts.gateway.decide(recorded.signed))
    except WorkflowUnavailable:
        _log.info("decision left to the dispatcher", decision_id=recorded.signed.decision.id)
        return recorded.answer
    except DecisionNotAccepted as refused:
        async with parts.database.reading() as connection:
            if await decisions.is_ahead(connection, recorded.signed.decision, refused.code):
                _log.info(
                    "workflow behind, decision left to the dispatcher",
                    decision_id=recorded.signed.decision.id,
                )
                return recorded.answer
        return await _refuse(parts, recorded, claim, refused.code)
    answer = Answer.of(200, _applied(result, recorded.quorum))
    await _settle(parts, recorded, claim, answer)
    return answer


def _applied(result: DecisionResult, quorum: int) -> Decided:
    return Decided(
        decision_id=result.decision_id,
        status=DecisionStatus.APPLIED,
        state=ProposalState(result.state),
        approvals=result.approvals,
        quorum=result.quorum or quorum,
    )


async def _settle(parts: ApiParts, recorded: _Recorded, claim: Claim, answer: Answer) -> None:
    try:
        async with parts.database.transaction() as connection:
            await outbox.settle(connection, recorded.outbox_row)
            await claim.amend(connection, answer)
    except StoreUnavailable:
        # The workflow has it; the dispatcher's second delivery finds the same result.
        _log.info("decision applied, outbox row stays open", decision_id=recorded.signed.decision.id)


async def _refuse(parts: ApiParts, recorded: _Recorded, claim: Claim, code: str) -> Answer:
    decision = recorded.signed.decision
    refused = Problem(
        409, code, "The workflow refused the decision: too late, or what it decides on changed."
    )
    document = describe(refused, instance=f"/v1/proposals/{decision.proposal_id}/decisions")
    async with parts.database.transaction() as connection:
        marked = await decisions.refuse(connection, decision.id, code, decision.reviewer)
        await outbox.settle(connection, recorded.outbox_row)
        if not marked and await decisions.status_of(connection, decision.id) is DecisionStatus.APPLIED:
            # The dispatcher was faster, and the workflow has closed since.
            row = await proposal_reads.find(connection, parts.tenant, decision.proposal_id)
            applied = recorded.answer.body | {"status": DecisionStatus.APPLIED.value}
            return await claim.amend(connection, Answer(200, applied | ({"state": row.state} if row else {})))
        await claim.amend(connection, Answer(409, document))
    raise refused
