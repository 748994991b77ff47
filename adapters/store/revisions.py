"""PROPOSAL, edited: a new revision in the place of the one that waits for approval, and what was replaced.

One transaction voids the votes, puts the proposal back before the gates and keeps both drafts. What was reserved stays
until the new revision's first pass plans it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, decisions
from adapters.store.batch import Batch
from adapters.store.schema import proposals, revisions
from adapters.store.writes import NOW, inserting, updating
from contracts.audit import AuditType
from contracts.decision import ReasonName
from contracts.errors import IllegalTransition
from contracts.principal import Principal
from contracts.proposal import TRANSITIONS, Draft, ProposalState

EDITED = "edited"


async def revise(
    connection: AsyncConnection,
    row: Row[Any],
    draft: Draft,
    editor: Principal,
    reason_name: ReasonName | None = None,
) -> None:
    """Replace the draft of a locked proposal by its next revision and move it to `evaluating`, with audit events.

    Raises:
        IllegalTransition: the proposal may not be edited from its state, `draft` is not the next revision, gives more
            time than there was, or `row` is out of date.
    """
    present = ProposalState(row.state)
    is_next = draft.id == row.id and draft.revision == row.revision + 1
    is_longer = draft.decide_by > row.decide_by or draft.execute_by > row.execute_by
    may_be = ProposalState.EVALUATING in TRANSITIONS.get(present, ())
    if not may_be or not is_next or is_longer:
        raise IllegalTransition(f"{row.id}: revision {row.revision} in {present} cannot be edited so")
    await decisions.void_all(connection, row, editor, EDITED)
    document, named = draft.model_dump(mode="json"), reason_name.value if reason_name else None
    batch = Batch()
    values = {
        "revision": draft.revision,
        "draft": document,
        "document": None,
        "digest": None,
        "risk": None,
        "held_on": None,
        "state": ProposalState.EVALUATING.value,
        "state_since": NOW,
        "reason_code": EDITED,
        "message": draft.reason,
    }
    batch.add(
        updating(proposals, values, where={"id": row.id, "state": present.value, "revision": row.revision}),
        otherwise=IllegalTransition(f"{row.id}: no longer {present} at revision {row.revision}"),
    )
    kept = {
        "proposal_id": draft.id,
        "revision": draft.revision,
        "replaced": Draft.model_validate(row.draft).model_dump(mode="json"),
        "draft": document,
        "editor": editor.model_dump(mode="json"),
        "reason_name": named,
    }
    batch.add(inserting(revisions, kept))
    revised: dict[str, object] = {"draft": document, "reason_name": named}
    moved = _moved(draft, present)
    for kind, payload in ((AuditType.PROPOSAL_REVISED, revised), (AuditType.PROPOSAL_MOVED, moved)):
        batch.audit(audit_log.event(kind, tenant=row.tenant, subject=row.id, actor=editor, payload=payload))
    await batch.send(connection)


def _moved(draft: Draft, before: ProposalState) -> dict[str, object]:
    return {
        "proposal_id": draft.id,
        "revision": draft.revision,
        "from": before.value,
        "to": ProposalState.EVALUATING.value,
        "reason_code": EDITED,
        "message": draft.reason,
        "facts": {},
    }


async def of_proposal(connection: AsyncConnection, proposal_id: str) -> Sequence[Row[Any]]:
    """Return the edits of a proposal, oldest first."""
    wanted = select(revisions).where(revisions.c.proposal_id == proposal_id).order_by(revisions.c.revision)
    return (await connection.execute(wanted)).all()
