"""PROPOSAL, edited by a person while it waits: a new revision of the same target, through the gates again.

The editor joins the authors and therefore may not approve it; every vote is void; the time to decide stays as it was.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import outbox, proposal_reads, revisions
from adapters.store.database import database_now
from adapters.store.outbox import OutboxKind
from api.handoff import HANDOFF_DELAY, hand_off
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem
from api.proposals.closing import locked
from api.proposals.schemas import ReviseBody, Revised
from api.proposals.view import Stored
from contracts import approval, eligibility
from contracts.action import ACTION, Action
from contracts.decision import DecisionRules
from contracts.evaluation import Evaluation
from contracts.principal import Principal
from contracts.proposal import Draft, Proposal, ProposalState

_TOLD = MappingProxyType(
    {
        approval.MAY_NOT_EDIT: (
            403,
            "Its requester, approvers and operators edit a proposal; agents do not.",
        ),
        approval.NOT_AWAITING_APPROVAL: (409, "Only what waits for approval is edited."),
        approval.TOO_MANY_REVISIONS: (
            409,
            "It was edited as often as it may be: reject it and propose anew.",
        ),
        eligibility.STALE_DIGEST: (409, "What you saw is out of date: look again, then edit."),
        eligibility.DECISION_LATE: (409, "The time to decide is over; expiry rejects."),
    }
)


async def revise(
    parts: ApiParts, proposal_id: str, body: ReviseBody, editor: Principal, claim: Claim
) -> Answer:
    """Store a new revision, then wake its workflow; 202 either way.

    Raises:
        Problem: 403 `may_not_edit`; 404; 409 stale, late, not waiting or edited too often; 422 not the same target,
            nothing changed, or no such value.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        row = await locked(parts, connection, proposal_id)
        draft = await _next(connection, row, body, editor)
        await revisions.revise(connection, row, draft, editor, body.reason_name)
        wake = await outbox.put(
            connection, OutboxKind.WAKE, proposal_id, {"reason_code": revisions.EDITED}, delay=HANDOFF_DELAY
        )
        told = Revised(proposal_id=proposal_id, revision=draft.revision, state=ProposalState.EVALUATING)
        answer = await claim.keep(connection, Answer.of(202, told))
    await hand_off(parts, wake, parts.gateway.wake(proposal_id))
    return answer


async def _next(connection: AsyncConnection, row: Row[Any], body: ReviseBody, editor: Principal) -> Draft:
    ballot = _ballot(row, await proposal_reads.newest_evaluation(connection, row.id, row.revision))
    after = approval.edit(
        ballot, approval.Edit(editor=editor, proposal_digest=body.digest), await database_now(connection)
    )
    if isinstance(after, approval.Refusal):
        status, told = _TOLD[after.reason_code]
        raise Problem(status, after.reason_code, told, revision=row.revision, digest=row.digest)
    draft = Draft.model_validate(row.draft)
    return draft.model_copy(
        update={
            "revision": after.revision,
            "authors": after.authors,
            "action": _edited(draft.action, body),
            "reason": body.reason,
            "decide_by": row.decide_by,
            "execute_by": row.execute_by,
        }
    )


def refusal(stored: Stored, editor: Principal) -> str | None:
    """Return why this person may not edit a proposal as it stands, as a reason code; None: they may try."""
    ballot = _ballot(stored.row, stored.evaluation)
    seen = approval.Edit(editor=editor, proposal_digest=stored.row.digest or "")
    return approval.refusal_of_edit(ballot, seen, stored.now)


def _ballot(row: Row[Any], evaluation: Evaluation | None) -> approval.Ballot:
    """Where its approval stands. Votes and signatures say nothing about an edit, so they are not read."""
    rules = None
    if row.document is not None and evaluation is not None and evaluation.requirement is not None:
        rules = DecisionRules.of(Proposal.model_validate(row.document), evaluation.requirement).model_copy(
            update={"proposal_digest": row.digest, "revision": row.revision}
        )
    return approval.Ballot(
        tenant=row.tenant,
        proposal_id=row.id,
        state=ProposalState(row.state),
        revision=row.revision,
        authors=Draft.model_validate(row.draft).authors,
        decide_by=row.decide_by,
        rules=rules,
    )


def _edited(action: Action, body: ReviseBody) -> Action:
    """Return the action with the new values. Kind and target are fixed: another target is another proposal."""
    try:
        edited = body.action or ACTION.validate_python(action.model_dump() | (body.fields or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise Problem(422, "edit_invalid", f"{where}: {first['msg']}") from error
    if (edited.kind, edited.target) != (action.kind, action.target):
        raise Problem(422, "target_changed", "An edit keeps kind and target: propose another change instead.")
    if edited == action:
        raise Problem(422, "nothing_changed", "These are the values it has already.")
    return edited
