"""The edits of a proposal, for the page: who changed which number, before and after. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Row as Stored

from api.proposals.background import actor_of
from api.proposals.schemas import Actor
from api.web.proposal.facts import NAMED, Row
from api.web.proposal.why import numbers_of
from contracts.decision import ReasonName
from contracts.principal import Principal
from contracts.proposal import Draft


@dataclass(frozen=True)
class Edit:
    """One edit: the revision that it made."""

    revision: int
    editor: Actor
    at: datetime
    rows: tuple[Row, ...]
    """What the one before asked for, and what this one asks for."""
    reason: str
    reason_name: ReasonName | None


def edits_of(rows: Iterable[Stored[Any]]) -> tuple[Edit, ...]:
    """Return the edits of `adapters.store.revisions.of_proposal`, newest first."""
    return tuple(reversed([_edit(one) for one in rows]))


def _edit(row: Stored[Any]) -> Edit:
    before, after = Draft.model_validate(row.replaced), Draft.model_validate(row.draft)
    asked = numbers_of(before.action)
    return Edit(
        revision=row.revision,
        editor=actor_of(Principal.model_validate(row.editor)),
        at=row.created_at,
        rows=tuple(
            Row(NAMED[name], asked.get(name), value) for name, value in numbers_of(after.action).items()
        ),
        reason=after.reason,
        reason_name=ReasonName(row.reason_name) if row.reason_name else None,
    )
