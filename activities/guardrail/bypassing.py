"""The end of a guard pass, as to break-glass: every grant that let the proposal through is told, for its review."""

from __future__ import annotations

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.schema import break_glass_uses
from adapters.store.writes import inserting
from contracts.audit import AuditType
from contracts.break_glass import BreakGlassUse, grant_of
from contracts.configuration import Gate
from contracts.evaluation import Evaluation
from contracts.principal import SYSTEM
from guardrails.facts import Facts


def add_uses(batch: Batch, facts: Facts, evaluation: Evaluation) -> None:
    """Add a row and an audit event for each grant that an admitted proposal goes by."""
    for use in uses_in(facts, evaluation):
        row = {
            "grant_id": use.grant_id,
            "proposal_id": use.proposal_id,
            "revision": use.revision,
            "pass_number": use.pass_number,
            "at": use.at,
            "document": use.model_dump(mode="json"),
        }
        batch.add(inserting(break_glass_uses, row))
        batch.audit(
            audit_log.event(
                AuditType.BREAK_GLASS_USED,
                tenant=facts.draft.tenant,
                subject=use.grant_id,
                actor=SYSTEM,
                payload=use,
                at=facts.now,
            )
        )


def uses_in(facts: Facts, evaluation: Evaluation) -> tuple[BreakGlassUse, ...]:
    """Return which grants bypassed which gates in an evaluation."""
    gates: dict[str, list[Gate]] = {}
    for verdict in evaluation.verdicts:
        grant_id = grant_of(verdict)
        if grant_id is not None:
            gates.setdefault(grant_id, []).append(verdict.guardrail)
    return tuple(
        BreakGlassUse(
            grant_id=grant_id,
            proposal_id=evaluation.proposal_id,
            revision=evaluation.revision,
            pass_number=evaluation.pass_number,
            gates=tuple(named),
            at=facts.now,
        )
        for grant_id, named in sorted(gates.items())
    )
