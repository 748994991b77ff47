"""APPROVAL: stored decisions. The API records them signed; the workflow's activities apply, refuse or void them."""

from __future__ import annotations

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.schema import decisions
from contracts.audit import AuditType
from contracts.decision import DecisionStatus, SignedDecision
from contracts.errors import AlreadyVoted
from contracts.principal import Principal


async def record(connection: AsyncConnection, signed: SignedDecision, actor: Principal) -> None:
    """Store a signed decision as `recorded`, with its audit event. The caller holds the proposal's lock.

    Raises:
        AlreadyVoted: a decision of this reviewer on this revision stands already.
    """
    decision = signed.decision
    reviewer = f"{decision.reviewer.issuer}/{decision.reviewer.subject}"
    values = {
        "id": decision.id,
        "proposal_id": decision.proposal_id,
        "revision": decision.revision,
        "kind": decision.kind.value,
        "reviewer": reviewer,
        "document": signed.model_dump(mode="json"),
        "status": DecisionStatus.RECORDED.value,
    }
    try:
        async with connection.begin_nested():
            await connection.execute(insert(decisions).values(values))
    except IntegrityError as error:
        raise AlreadyVoted(f"{reviewer} has decided on {decision.proposal_id} already") from error
    recorded = audit_log.event(
        AuditType.DECISION_RECORDED,
        tenant=decision.tenant,
        subject=decision.proposal_id,
        actor=actor,
        payload=signed,
    )
    await audit_log.append(connection, recorded)


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


async def status_of(connection: AsyncConnection, decision_id: str) -> DecisionStatus | None:
    """Return what became of a stored decision so far."""
    wanted = select(decisions.c.status).where(decisions.c.id == decision_id)
    status = (await connection.execute(wanted)).scalar_one_or_none()
    return None if status is None else DecisionStatus(status)
