"""APPROVAL, learnt from: puts together what reviewers said and made of proposals."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.engine import Row

from adapters.store import corrections
from api.corrections.schemas import Correction, CorrectionKind
from api.parts import ApiParts
from api.proposals.background import actor_of
from contracts.decision import ReasonName, SignedDecision
from contracts.principal import Principal
from contracts.proposal import Draft
from contracts.request import Request

MAX_LINES = 10_000


async def found(parts: ApiParts, since: datetime | None, limit: int) -> list[Correction]:
    """Return up to `limit` corrections from `since` on, oldest first."""
    async with parts.database.reading() as connection:
        said = await corrections.words(connection, parts.tenant, since, limit)
        made = await corrections.edits(connection, parts.tenant, since, limit)
    lines = [*(_of_decision(row) for row in said), *(_of_edit(row) for row in made)]
    return sorted(lines, key=lambda line: (line.at, line.proposal_id, line.kind))[:limit]


def _of_decision(row: Row[Any]) -> Correction:
    decision = SignedDecision.model_validate(row.document).decision
    return _line(
        row,
        kind=CorrectionKind(decision.kind.value),
        by=decision.reviewer,
        reason=decision.reason,
        reason_name=decision.reason_name,
    )


def _of_edit(row: Row[Any]) -> Correction:
    return _line(
        row,
        kind=CorrectionKind.EDIT,
        by=Principal.model_validate(row.editor),
        reason=Draft.model_validate(row.edited).reason,
        reason_name=ReasonName(row.reason_name) if row.reason_name else None,
    )


def _line(
    row: Row[Any], *, kind: CorrectionKind, by: Principal, reason: str, reason_name: ReasonName | None
) -> Correction:
    draft = Draft.model_validate(row.draft)
    asked = Request.model_validate(row.request) if row.request else None
    return Correction(
        proposal_id=draft.id,
        revision=draft.revision,
        kind=kind,
        at=row.created_at,
        by=actor_of(by),
        reason_name=reason_name,
        reason=reason,
        proposed=draft.action,
        edited=Draft.model_validate(row.edited).action if row.edited else None,
        planner=draft.planner,
        channel=draft.channel,
        trust=draft.trust,
        request_id=draft.request_id,
        text=asked.text if asked else "",
        alert=asked.alert if asked else None,
    )
