"""An edit as the API makes it, for tests that hold the store and a workflow but no HTTP."""

from __future__ import annotations

from typing import Any

from adapters.store import proposals, revisions
from adapters.store.database import Database, database_now
from contracts import approval
from contracts.decision import DecisionRules
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal
from contracts.proposal import Draft, Proposal, ProposalState


async def edit(database: Database, proposal_id: str, editor: Principal, **values: int) -> Draft | str:
    """Store a new revision with other values of the action; return its draft, or the reason code of a refusal."""
    async with database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        draft = Draft.model_validate(row.draft)
        found = approval.edit(
            _ballot(row, draft),
            approval.Edit(editor, row.digest or ""),
            await database_now(connection),
        )
        if isinstance(found, approval.Refusal):
            return found.reason_code
        edited = draft.model_copy(
            update={
                "revision": found.revision,
                "authors": found.authors,
                "action": draft.action.model_copy(update=values),
                "reason": "smaller will do",
                "decide_by": row.decide_by,
                "execute_by": row.execute_by,
            }
        )
        await revisions.revise(connection, row, edited, editor)
        return edited


def _ballot(row: Any, draft: Draft) -> approval.Ballot:
    rules = None
    if row.document is not None:
        rules = DecisionRules(
            proposal_digest=Proposal.model_validate(row.document).digest,
            revision=row.revision,
            decide_by=row.decide_by,
            authors=draft.authors,
            requirement=ApprovalRequirement(quorum=1),
            public_keys={},
        )
    return approval.Ballot(
        tenant=row.tenant,
        proposal_id=row.id,
        state=ProposalState(row.state),
        revision=row.revision,
        authors=draft.authors,
        decide_by=row.decide_by,
        rules=rules,
    )
