"""What a reviewer sees, made of typed fields only (design §2). Pure: rows and nouns in, `ProposalView` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy.engine import Row

from api.proposals import eligibility
from api.proposals.background import (
    actor_of,
    approvers_of,
    asked_for,
    comment_of,
    monthly_totals,
    newest_standing,
    risk_view_of,
    standing_votes,
    steps_of,
    who_can_decide,
)
from api.proposals.change_view import after_of, before_of, blast_radius_of, cost_of
from api.proposals.schemas import (
    Cost,
    Effect,
    Eligibility,
    ProposalSummary,
    ProposalView,
    TimelineEntry,
    Vote,
)
from contracts.audit import AuditEvent
from contracts.decision import DecisionKind, DecisionStatus, SignedDecision
from contracts.delegation import Delegation
from contracts.effect import Receipt, Step, Verification
from contracts.evaluation import CostEstimate, Evaluation, RiskTier
from contracts.messages import proposal_workflow_id, summary_of
from contracts.principal import Principal
from contracts.proposal import Draft, PlannerKind, Proposal, ProposalState
from contracts.request import Trust


@dataclass(frozen=True)
class Stored:
    """All that the database holds about one proposal, read at `now`."""

    row: Row[Any]
    evaluation: Evaluation | None
    votes: Sequence[Row[Any]]
    effects: Sequence[Row[Any]]
    events: Sequence[AuditEvent]
    now: datetime
    comments: Sequence[Row[Any]] = ()
    request: Row[Any] | None = None
    """The row of the request it came from."""
    delegations: Sequence[Delegation] = ()
    """Those in force that cover it, while it waits for people."""

    @cached_property
    def draft(self) -> Draft:
        """What is proposed now."""
        return draft_of(self.row)

    @property
    def state(self) -> ProposalState:
        """Where it stands."""
        return ProposalState(self.row.state)


def draft_of(row: Row[Any]) -> Draft:
    """Return the draft of the present revision, or the whole proposal once that revision was observed."""
    if row.document is not None and row.document["revision"] == row.revision:
        return Proposal.model_validate(row.document)
    return Draft.model_validate(row.draft)


def view_of(
    stored: Stored, caller: Principal, *, is_production: bool, monthly_threshold: Decimal | None = None
) -> ProposalView:
    """Return the whole screen of one proposal, as `caller` sees it.

    `monthly_threshold` is the configuration's `approval.max_monthly_delta`.
    """
    draft = stored.draft
    return ProposalView(
        **_standing(stored),
        **_change(draft),
        **_judgement(stored),
        **_origin(stored),
        **_outcome(stored),
        risk=risk_view_of(
            draft,
            stored.evaluation,
            stored.row.risk,
            production=is_production,
            monthly_threshold=monthly_threshold,
        ),
        is_production=is_production,
        eligibility=_eligibility(stored, caller),
        seconds_left=_seconds_left(stored),
        workflow_id=proposal_workflow_id(stored.row.id),
        timeline=tuple(timeline_entry_of(event) for event in stored.events),
    )


def _standing(stored: Stored) -> dict[str, Any]:
    row = stored.row
    copied = (
        "id", "tenant", "state_since", "reason_code", "message", "held_on", "revision", "digest",
        "created_at", "decide_by", "execute_by",
    )  # fmt: skip
    named = {name: getattr(row, name) for name in copied}
    return named | {"state": stored.state, "is_final": stored.state.is_final}


def _change(draft: Draft) -> dict[str, Any]:
    seen = draft.observation if isinstance(draft, Proposal) else None
    return {
        "verb": draft.action.verb,
        "summary": summary_of(draft.action),
        "action": draft.action,
        "target": draft.action.target.key,
        "before": before_of(seen) if seen else None,
        "after": after_of(draft.action, seen),
        "blast_radius": blast_radius_of(draft.action, seen) if seen else None,
        "environment": draft.environment,
        "team": draft.team,
        "mode": draft.mode,
        "dry_run": draft.dry_run,
    }


def _judgement(stored: Stored) -> dict[str, Any]:
    draft, evaluation = stored.draft, stored.evaluation
    votes = tuple(vote_of(one) for one in stored.votes)
    revision = stored.row.revision
    approvers = approvers_of(stored.votes, revision)
    given: dict[str, Any] = {
        "approvals": votes,
        "approvals_given": len(approvers),
        "decided_by": newest_standing(votes, revision),
        "comments": tuple(comment_of(one) for one in stored.comments),
    }
    age = (stored.now - draft.observation.taken_at).total_seconds() if isinstance(draft, Proposal) else None
    if evaluation is None:
        return given | {"observation_age_seconds": age}
    return given | {
        "evaluation_digest": evaluation.digest,
        "outcome": evaluation.outcome,
        "pass_number": evaluation.pass_number,
        "policy_revision": evaluation.policy_revision,
        "verdicts": tuple(
            sorted(evaluation.verdicts, key=lambda one: (-one.outcome.severity, one.guardrail))
        ),
        "requirement": evaluation.requirement,
        "who_can_decide": who_can_decide(
            draft,
            evaluation.requirement,
            votes,
            revision,
            stored.delegations,
            approvers,
        ),
        "cost": _cost(draft, evaluation.cost) if evaluation.cost else None,
        "observation_age_seconds": age,
    }


def _cost(draft: Draft, cost: CostEstimate) -> Cost:
    shown = cost_of(cost)
    if not isinstance(draft, Proposal):
        return shown
    totals = monthly_totals(cost, blast_radius_of(draft.action, draft.observation))
    return shown.model_copy(update=totals)


def _origin(stored: Stored) -> dict[str, Any]:
    draft, request = stored.draft, stored.request
    return {
        "requester": actor_of(draft.requester),
        "authors": tuple(actor_of(author) for author in draft.authors),
        "channel": draft.channel,
        "trust": draft.trust,
        "request_id": draft.request_id,
        "request": asked_for(request) if request is not None else None,
        "agent_steps": steps_of(request) if request is not None else (),
        "undoes": draft.undoes,
        "planner": draft.planner,
        "confidence": draft.confidence,
        "evidence": draft.evidence,
        "reason": draft.reason,
        "reason_is_unverified": _is_unverified(draft),
    }


def _outcome(stored: Stored) -> dict[str, Any]:
    effects = tuple(effect_of(one) for one in stored.effects)
    forward = next((one for one in effects if one.step is Step.FORWARD), None)
    return {
        "effects": effects,
        "receipt": forward.receipt if forward else None,
        "verification": forward.verification if forward else None,
    }


def summary_view_of(row: Row[Any]) -> ProposalSummary:
    """Return one line of a list, from a row of `proposal_reads.page`."""
    draft = Draft.model_validate(row.draft)
    return ProposalSummary(
        id=row.id,
        state=ProposalState(row.state),
        state_since=row.state_since,
        reason_code=row.reason_code,
        held_on=row.held_on,
        revision=row.revision,
        verb=draft.action.verb,
        summary=summary_of(draft.action),
        action=draft.action,
        target=row.target_key,
        environment=row.environment,
        team=row.team,
        requester=row.requester,
        channel=draft.channel,
        planner=draft.planner,
        outcome=row.outcome,
        risk=RiskTier(row.risk) if row.risk else RiskTier.HIGH,
        monthly_delta=row.monthly_delta,
        currency=row.currency,
        quorum=row.quorum,
        dry_run=row.dry_run,
        created_at=row.created_at,
        decide_by=row.decide_by,
        execute_by=row.execute_by,
    )


def vote_of(row: Row[Any]) -> Vote:
    """Return one stored decision without its signature."""
    decision = SignedDecision.model_validate(row.document).decision
    return Vote(
        id=decision.id,
        reviewer=actor_of(decision.reviewer),
        on_behalf_of=tuple(actor_of(one) for one in decision.on_behalf_of),
        decision=decision.kind,
        revision=decision.revision,
        reason=decision.reason,
        reason_name=decision.reason_name,
        at=decision.at,
        status=DecisionStatus(row.status),
        reason_code=row.reason_code,
    )


def effect_of(row: Row[Any]) -> Effect:
    """Return one effect with its receipt and verification, where there are any yet."""
    return Effect(
        step=Step(row.step),
        fence=row.fence,
        operation=row.operation,
        issued_at=row.issued_at,
        receipt=Receipt.model_validate(row.receipt) if row.receipt else None,
        verification=Verification.model_validate(row.verification) if row.verification else None,
    )


def timeline_entry_of(event: AuditEvent) -> TimelineEntry:
    """Return an audit event in short."""
    said = {name: event.payload.get(name) for name in ("from", "to", "reason_code", "message")}
    text = {name: value if isinstance(value, str) and value else None for name, value in said.items()}
    return TimelineEntry(
        at=event.at,
        type=event.type.value,
        actor=actor_of(event.actor),
        from_state=text["from"],
        to_state=text["to"],
        reason_code=text["reason_code"],
        message=text["message"],
    )


def _eligibility(stored: Stored, caller: Principal) -> Eligibility:
    def refusal(kind: DecisionKind | None) -> eligibility.Ineligible | None:
        return eligibility.why_not(
            caller,
            state=stored.state,
            authors=stored.draft.authors,
            requirement=stored.evaluation.requirement if stored.evaluation else None,
            voted=voted(stored.votes, stored.row.revision),
            decide_by=stored.row.decide_by,
            now=stored.now,
            lent=stored.delegations,
            kind=kind,
        )

    found = refusal(None)
    open_to = tuple(kind for kind in DecisionKind if refusal(kind) is None)
    if found is None:
        return Eligibility(may_decide=True, why_not=None, message="You may decide.", open_to=open_to)
    return Eligibility(may_decide=False, why_not=found.code, message=found.message, open_to=open_to)


def voted(rows: Sequence[Row[Any]], revision: int) -> dict[str, DecisionKind]:
    """Return the newest decision of each person on this revision, by `issuer/subject`. `rows`: oldest first."""
    return {key: DecisionKind(row.kind) for key, row in standing_votes(rows, revision).items()}


def _is_unverified(draft: Draft) -> bool:
    by_person = draft.planner.kind in (PlannerKind.DIRECT, PlannerKind.UNDO)
    return not by_person or draft.trust is Trust.UNTRUSTED


def _seconds_left(stored: Stored) -> float:
    until = stored.row.execute_by if stored.state is ProposalState.READY else stored.row.decide_by
    return 0.0 if stored.state.is_final else max(0.0, (until - stored.now).total_seconds())
