"""GUARDRAILS, in the store: who approved the revision that a pass judges.

As in `decisions.standing`: whoever has said otherwise since does not approve, be it that the workflow has not taken
that yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from contracts.principal import Principal

FRAGMENT = Fragment(
    name="approvals",
    value="""SELECT coalesce(jsonb_agg(d.document -> 'decision' -> 'reviewer'), '[]') FROM decisions d
        WHERE d.proposal_id = :proposal_id AND d.revision = :revision
        AND d.status = 'applied' AND d.kind = 'approve'
        AND NOT EXISTS (SELECT FROM decisions n
            WHERE n.proposal_id = d.proposal_id AND n.revision = d.revision AND n.reviewer = d.reviewer
            AND n.status = 'recorded' AND n.kind <> d.kind)""",
)


def parameters(_: Question) -> dict[str, Any]:
    """Nothing more than the pass itself."""
    return {}


def parse(value: Sequence[dict[str, Any]]) -> tuple[Principal, ...]:
    """Return the approvers as they were when they decided."""
    return tuple(Principal.model_validate(one) for one in value)
