"""APPROVAL: stored decisions. The API records them signed; the workflow's activities apply, refuse or void them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, select, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.driver import Record, fixed, query
from adapters.store.schema import decisions, proposals
from adapters.store.writes import execute, inserting
from contracts.audit import AuditEvent, AuditType
from contracts.decision import Decision, DecisionStatus, SignedDecision
from contracts.eligibility import STALE_DIGEST, STALE_REVISION
from contracts.errors import AlreadyVoted, NotFound
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal
from contracts.proposal import ProposalState

_BEHIND = (STALE_REVISION, STALE_DIGEST)


async def record(connection: AsyncConnection, signed: SignedDecision, actor: Principal) -> None:
    """Store a signed decision as `recorded`, with its audit event. The caller holds the proposal's lock.

    An older one of the same person that the workflow has not taken yet is superseded.

    Raises:
        AlreadyVoted: another transaction stored one of this reviewer meanwhile.
    """
    decision = signed.decision
    reviewer = decision.reviewer.key
    replaced = await _supersede(connection, decision, DecisionStatus.RECORDED)
    stored = {
        "id": decision.id,
        "proposal_id": decision.proposal_id,
        "revision": decision.revision,
        "kind": decision.kind.value,
        "reviewer": reviewer,
        "document": signed.model_dump(mode="json"),
        "status": DecisionStatus.RECORDED.value,
    }
    write = inserting(decisions, stored).ending("ON CONFLICT DO NOTHING RETURNING id")
    if await execute(connection, write) is None:
        raise AlreadyVoted(f"{reviewer} has decided on {decision.proposal_id} already")
    recorded = audit_log.event(
        AuditType.DECISION_RECORDED,
        tenant=decision.tenant,
        subject=decision.proposal_id,
        actor=actor,
        payload=signed,
    )
    await audit_log.append(connection, recorded, *replaced)


async def refuse(connection: AsyncConnection, decision_id: str, reason_code: str, actor: Principal) -> bool:
    """Mark a decision that is still `recorded` as refused, with its audit event. False: it was settled before."""
    standing = (decisions.c.id == decision_id, decisions.c.status == DecisionStatus.RECORDED.value)
    refused = await connection.execute(
        update(decisions)
        .where(*standing)
        .values(
            status=DecisionStatus.REFUSED.value, reason_code=reason_code, settled_at=func.clock_timestamp()
        )
        .returning(decisions.c.document)
    )
    document = refused.scalar_one_or_none()
    if document is None:
        return False
    decision = SignedDecision.model_validate(document).decision
    payload: dict[str, object] = {
        "decision_id": decision.id,
        "proposal_id": decision.proposal_id,
        "reason_code": reason_code,
    }
    event = audit_log.event(
        AuditType.DECISION_REFUSED,
        tenant=decision.tenant,
        subject=decision.proposal_id,
        actor=actor,
        payload=payload,
    )
    await audit_log.append(connection, event)
    return True


_STATUS = fixed(select(decisions.c.status).where(decisions.c.id == bindparam("decision_id")))
_FIND = fixed(select(decisions).where(decisions.c.id == bindparam("decision_id")).with_for_update())
_APPLY = fixed(
    update(decisions)
    .where(decisions.c.id == bindparam("decision_id"), decisions.c.status == DecisionStatus.RECORDED.value)
    .values(status=DecisionStatus.APPLIED.value, settled_at=func.clock_timestamp())
    .returning(decisions.c.id)
)


async def status_of(connection: AsyncConnection, decision_id: str) -> DecisionStatus | None:
    """Return what became of a stored decision so far."""
    row = await _STATUS.first_row(connection, {"decision_id": decision_id})
    return None if row is None else DecisionStatus(row.status)


async def find(connection: AsyncConnection, decision_id: str) -> Record | None:
    """Return a stored decision, locked until the transaction ends, or None. The caller holds the proposal's lock."""
    return await _FIND.first_row(connection, {"decision_id": decision_id})


async def is_ahead(connection: AsyncConnection, decision: Decision, refused_as: str) -> bool:
    """Tell whether a workflow calls this out of date while the proposal waits for just this: then the workflow is.

    Its worker died after a guard pass or an edit was committed and before the workflow could be told.
    """
    if refused_as not in _BEHIND:
        return False
    waits = select(proposals.c.id).where(
        proposals.c.id == decision.proposal_id,
        proposals.c.state == ProposalState.AWAITING_APPROVAL.value,
        proposals.c.revision == decision.revision,
        proposals.c.digest == decision.proposal_digest,
    )
    return (await connection.execute(waits)).one_or_none() is not None


async def apply(connection: AsyncConnection, signed: SignedDecision) -> bool:
    """Mark a `recorded` decision as applied, with its audit event. False: it was settled before.

    The applied one of the same person, if there is one, is superseded in the same transaction.
    """
    decision = signed.decision
    if await status_of(connection, decision.id) is not DecisionStatus.RECORDED:
        return False
    replaced = await _supersede(connection, decision, DecisionStatus.APPLIED)
    if await _APPLY.first_row(connection, {"decision_id": decision.id}) is None:
        return False
    applied = audit_log.event(
        AuditType.DECISION_APPLIED,
        tenant=decision.tenant,
        subject=decision.proposal_id,
        actor=decision.reviewer,
        payload=signed,
    )
    await audit_log.append(connection, applied, *replaced)
    return True


_SUPERSEDE = query("""
    UPDATE decisions SET status = 'superseded', reason_code = 'superseded', settled_at = clock_timestamp()
    WHERE proposal_id = :proposal_id AND revision = :revision AND reviewer = :reviewer AND status = :standing
        AND id <> :newer
    RETURNING id""")


async def _supersede(
    connection: AsyncConnection, newer: Decision, standing: DecisionStatus
) -> list[AuditEvent]:
    """Settle the decision of the same person on the same revision that `newer` replaces; return its audit event."""
    given = {
        "proposal_id": newer.proposal_id,
        "revision": newer.revision,
        "reviewer": newer.reviewer.key,
        "standing": standing.value,
        "newer": newer.id,
    }
    replaced = await _SUPERSEDE.rows(connection, given)
    return [
        audit_log.event(
            AuditType.DECISION_SUPERSEDED,
            tenant=newer.tenant,
            subject=newer.proposal_id,
            actor=newer.reviewer,
            payload={
                "decision_id": replaced_id,
                "proposal_id": newer.proposal_id,
                "by": newer.id,
                "reason_code": "superseded",
            },
        )
        for (replaced_id,) in replaced
    ]


async def void_votes(connection: AsyncConnection, request: SignedDecision) -> None:
    """Void every applied decision on the revision but `request`, the request for change that is the reason."""
    wanted = request.decision
    of_revision = (
        decisions.c.proposal_id == wanted.proposal_id,
        decisions.c.revision == wanted.revision,
        decisions.c.id != wanted.id,
    )
    await _void(connection, of_revision, wanted.tenant, wanted.reviewer, "change_requested")


async def void_all(connection: AsyncConnection, row: Row[Any], actor: Principal, reason_code: str) -> None:
    """Void every applied decision on the present revision of a locked proposal."""
    of_revision = (decisions.c.proposal_id == row.id, decisions.c.revision == row.revision)
    await _void(connection, of_revision, row.tenant, actor, reason_code)


async def _void(
    connection: AsyncConnection,
    which: Sequence[ColumnElement[bool]],
    tenant: str,
    actor: Principal,
    reason_code: str,
) -> None:
    voided = await connection.execute(
        update(decisions)
        .where(*which, decisions.c.status == DecisionStatus.APPLIED.value)
        .values(
            status=DecisionStatus.VOIDED.value,
            reason_code=reason_code,
            settled_at=func.clock_timestamp(),
        )
        .returning(decisions.c.id, decisions.c.proposal_id)
    )
    events = [
        audit_log.event(
            AuditType.DECISION_VOIDED,
            tenant=tenant,
            subject=proposal_id,
            actor=actor,
            payload={"decision_id": decision_id, "proposal_id": proposal_id, "reason_code": reason_code},
        )
        for decision_id, proposal_id in voided.all()
    ]
    await audit_log.append(connection, *events)


async def standing(
    connection: AsyncConnection, proposal_id: str, revision: int, *, deciding: str | None = None
) -> tuple[SignedDecision, ...]:
    """Return the applied decisions of a revision, one of each person, oldest first.

    Left out is one whose person has said otherwise since, though the workflow has not taken that yet: the newest one
    counts, however late it is delivered. `deciding` is the decision that is being taken now.
    """
    of_revision = {"proposal_id": proposal_id, "revision": revision, "deciding": deciding}
    found = await _STANDING.rows(connection, of_revision)
    return tuple(SignedDecision.model_validate(row.document) for row in found)


def _standing() -> Select[Any]:
    newer = decisions.alias("newer")
    is_changed = (
        select(newer.c.id)
        .where(
            newer.c.proposal_id == decisions.c.proposal_id,
            newer.c.revision == decisions.c.revision,
            newer.c.reviewer == decisions.c.reviewer,
            newer.c.status == DecisionStatus.RECORDED.value,
            newer.c.kind != decisions.c.kind,
            newer.c.id.is_distinct_from(bindparam("deciding", type_=decisions.c.id.type)),
        )
        .exists()
    )
    return (
        select(decisions.c.document)
        .where(
            decisions.c.proposal_id == bindparam("proposal_id"),
            decisions.c.revision == bindparam("revision"),
            decisions.c.status == DecisionStatus.APPLIED.value,
            ~is_changed,
        )
        .order_by(decisions.c.created_at, decisions.c.id)
    )


STANDING = _standing()
"""What `standing` reads."""
_STANDING = fixed(STANDING)
_REQUIREMENT = query("""
    SELECT document -> 'requirement' AS requirement FROM evaluations
    WHERE proposal_id = :proposal_id AND revision = :revision
    ORDER BY pass_number DESC LIMIT 1""")


async def requirement(connection: AsyncConnection, proposal_id: str, revision: int) -> ApprovalRequirement:
    """Return what the newest pass of a revision asks for. Nobody, where it asks for nothing.

    Raises:
        NotFound: no guardrail has looked at this revision.
    """
    row = await _REQUIREMENT.first_row(connection, {"proposal_id": proposal_id, "revision": revision})
    if row is None:
        raise NotFound(f"no evaluation of {proposal_id} at revision {revision}")
    wanted = row.requirement
    return ApprovalRequirement.model_validate(wanted) if wanted else ApprovalRequirement(quorum=0)
