"""GUARDRAILS, in the store: who let this revision through a closed gate, with a reason.

An approval counts as one where the evaluation that it was given on said so: its verdict asked for approval because a
window is closed, and its reviewer said why. One that was given before the window closed does not: its reviewer was
never told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from adapters.store.schema import Moment
from contracts.override import GateOverride

FRAGMENT = Fragment(
    name="overrides",
    value="""SELECT coalesce(jsonb_agg(one.document), '[]') FROM (
            SELECT o.document FROM gate_overrides o
            WHERE o.proposal_id = :proposal_id AND o.revision = :revision AND o.expires_at > clock_timestamp()
            UNION ALL
            SELECT jsonb_build_object(
                'id', d.id, 'proposal_id', d.proposal_id, 'revision', d.revision, 'gate', 'change_window',
                'windows', v.verdict #> '{facts,closed_by}',
                'actor', d.document #> '{decision,reviewer}',
                'reason', d.document #> '{decision,reason}',
                'at', d.document #> '{decision,at}',
                'expires_at', CAST(:execute_by AS timestamptz))
            FROM decisions d
            JOIN evaluations e ON e.proposal_id = d.proposal_id AND e.revision = d.revision
                AND e.digest = d.document #>> '{decision,evaluation_digest}'
            CROSS JOIN jsonb_array_elements(e.document -> 'verdicts') AS v (verdict)
            WHERE d.proposal_id = :proposal_id AND d.revision = :revision
                AND d.status = 'applied' AND d.kind = 'approve' AND d.document #>> '{decision,reason}' ~ '\\S'
                AND v.verdict ->> 'guardrail' = 'change_window' AND v.verdict ->> 'outcome' = 'require_approval'
        ) one""",
    types={"execute_by": Moment},
)


def parameters(asked: Question) -> dict[str, Any]:
    """Return until when an approval overrides: as long as the proposal may start."""
    return {"execute_by": asked.locked.row.execute_by}


def parse(value: Sequence[dict[str, Any]]) -> tuple[GateOverride, ...]:
    """Return the overrides that have not expired."""
    return tuple(GateOverride.model_validate(one) for one in value)
