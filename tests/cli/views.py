"""Proposals as the API shows them, for drawing."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy.engine import Row

from api.proposals.schemas import ProposalView
from api.proposals.view import Stored, view_of
from contracts.principal import Principal
from contracts.proposal import Draft, Proposal, ProposalState
from tests.api.serving import evaluation
from tests.contracts.samples import BEN, proposal


def view(
    state: ProposalState = ProposalState.AWAITING_APPROVAL,
    *,
    caller: Principal = BEN,
    row: dict[str, Any] | None = None,
    **changes: Any,
) -> ProposalView:
    """The view of the sample proposal, as `caller` sees it a minute after its observation."""
    sample = proposal(**changes)
    return view_of(stored(sample, state, row or {}), caller, is_production=True)


def stored(sample: Proposal, state: ProposalState, changes: dict[str, Any]) -> Stored:
    columns = {
        "id": sample.id,
        "tenant": sample.tenant,
        "state": state.value,
        "state_since": sample.created_at,
        "reason_code": "approval_required",
        "message": "",
        "held_on": None,
        "revision": 1,
        "digest": sample.digest,
        "draft": sample.model_dump(mode="json", include=set(Draft.model_fields)),
        "document": sample.model_dump(mode="json"),
        "created_at": sample.created_at,
        "decide_by": sample.decide_by,
        "execute_by": sample.execute_by,
        "requester": "local/ana",
        "risk": None,
    } | changes
    row = cast("Row[Any]", SimpleNamespace(**columns))
    now = datetime(2026, 11, 21, 12, 1, tzinfo=UTC)
    return Stored(row=row, evaluation=evaluation(sample), votes=[], effects=[], events=[], now=now)
