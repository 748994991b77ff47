"""The end of a guard pass: what its evaluation means for the proposal, written in the pass's one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.guardrail.bypassing import add_uses
from activities.guardrail.rating import add_wake, frees_at, halt_storm, use_of
from activities.guardrail.reserving import Purse, add_openings, add_reservation
from adapters.store import audit_log, breakers, guard_pass, leases, proposals, rate
from adapters.store.batch import Batch
from adapters.store.closing import close_without_effect, pass_on
from adapters.store.guard_pass import Beside, Locked, Place
from adapters.store.schema import proposals as proposal_rows
from adapters.store.writes import updating
from contracts.audit import AuditType
from contracts.base import sealed
from contracts.decision import DecisionRules
from contracts.evaluation import ApprovalRequirement, Evaluation, Outcome, RiskTier, Verdict
from contracts.messages import PassResult
from contracts.principal import SYSTEM
from contracts.proposal import DECIDE_BY_PASSED, DRY_RUN, EXECUTE_BY_PASSED, Proposal, ProposalState
from guardrails.circuit_breaker.decision import is_due_for_probe
from guardrails.facts import Facts
from guardrails.risk import risk_facts_of, risk_of

ADMITTED = "admitted"
ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the pass leaves the proposal, and why."""

    state: ProposalState
    reason_code: str
    message: str
    held_on: str | None = None
    admitted: bool = False


def standing_after(facts: Facts, evaluation: Evaluation) -> Standing:
    """Return what an evaluation comes to. Pure."""
    worst = evaluation.worst
    if facts.draft.dry_run:
        message = f"Dry run: {evaluation.outcome.value.replace('_', ' ')}. {worst.message}"
        return Standing(ProposalState.CANCELLED, DRY_RUN, message)
    if evaluation.outcome is Outcome.DENY:
        return Standing(ProposalState.DENIED, worst.reason_code, worst.message)
    if evaluation.outcome is Outcome.HOLD and facts.admitting:
        return Standing(ProposalState.READY, worst.reason_code, worst.message, held_on=worst.held_on)
    if evaluation.outcome is Outcome.ALLOW or evaluation.requirement is None:
        code = ADMITTED if facts.admitting else ALLOWED
        return Standing(ProposalState.READY, code, "Every guardrail allows.", admitted=facts.admitting)
    if facts.now >= facts.draft.decide_by:
        return Standing(ProposalState.EXPIRED, DECIDE_BY_PASSED, "It was not approved in time.")
    asking = _asking(evaluation)
    return Standing(ProposalState.AWAITING_APPROVAL, asking.reason_code, asking.message)


async def settle(
    connection: AsyncConnection,
    facts: Facts,
    evaluation: Evaluation,
    proposal: Proposal | None,
    locked: Locked,
    place: Place,
    beside: Beside,
    purse: Purse,
) -> PassResult:
    """Write evaluation, move, reservation, lease, rate and probe, with their audit events; return the result."""
    standing = standing_after(facts, evaluation)
    if proposal is not None and not facts.admitting:
        proposal = shortened(proposal, evaluation.requirement, facts.now)
    result = _result(standing, facts, evaluation, proposal)
    batch = Batch()
    kept = sealed(evaluation)
    batch.add(guard_pass.storing(evaluation, kept, result, beside))
    evaluated = audit_log.event(
        AuditType.PROPOSAL_EVALUATED,
        tenant=locked.row.tenant,
        subject=locked.row.id,
        actor=SYSTEM,
        payload=kept.document,
        at=facts.now,
    )
    batch.audit_sealed(evaluated, kept)
    _add_postings(batch, standing, facts, evaluation, locked, purse)
    if standing.admitted:
        _add_admission(batch, facts, place)
        add_uses(batch, facts, evaluation)
    risk = None if facts.admitting else _tier(facts, evaluation)
    until = frees_at(evaluation)
    _add_standing(batch, standing, facts, kept.digest, proposal, locked, risk, until)
    await batch.send(connection)
    await halt_storm(connection, facts, evaluation)
    if not standing.admitted:
        await _give_back(connection, facts, place)
        if locked.row.held_on != standing.held_on:
            await pass_on(connection, locked.row.held_on, place.domain, facts.now)
    return result


def shortened(proposal: Proposal, requirement: ApprovalRequirement | None, now: datetime) -> Proposal:
    """Return a proposal whose times are those of the rules that asked, before its digest is fixed. Pure.

    They only ever get shorter. A later pass leaves them alone: what people sign names them.
    """
    decide_by, execute_by = proposal.decide_by, proposal.execute_by
    if requirement is None:
        return proposal
    if requirement.decide_within is not None:
        decide_by = min(decide_by, now + requirement.decide_within)
    if requirement.execute_within is not None:
        execute_by = min(execute_by, decide_by + requirement.execute_within)
    return proposal.model_copy(update={"decide_by": decide_by, "execute_by": execute_by})


async def expire(connection: AsyncConnection, row: Row[Any], reason_code: str) -> PassResult:
    """Close a locked proposal whose time is over, without an evaluation, and give back what it holds."""
    message = "Its last moment to start is over." if reason_code == EXECUTE_BY_PASSED else "It came too late."
    await close_without_effect(connection, row, ProposalState.EXPIRED, reason_code, message)
    return PassResult(state=ProposalState.EXPIRED, execute_by=row.execute_by, reason_code=reason_code)


def overdue(row: Row[Any], now: datetime, *, admitting: bool) -> str | None:
    """Return the reason code when the time to decide or to execute is over, else None."""
    if now >= row.execute_by:
        return EXECUTE_BY_PASSED
    if not admitting and now >= row.decide_by:
        return DECIDE_BY_PASSED
    return None


def _asking(evaluation: Evaluation) -> Verdict:
    return next(verdict for verdict in evaluation.verdicts if verdict.outcome is Outcome.REQUIRE_APPROVAL)


def _result(
    standing: Standing, facts: Facts, evaluation: Evaluation, proposal: Proposal | None
) -> PassResult:
    rules = None
    if standing.state is ProposalState.AWAITING_APPROVAL and proposal and evaluation.requirement:
        rules = DecisionRules.of(proposal, evaluation.requirement)
    return PassResult(
        state=standing.state,
        admitted=standing.admitted,
        held_on=standing.held_on,
        rules=rules,
        execute_by=proposal.execute_by if proposal else facts.draft.execute_by,
        reason_code=standing.reason_code,
    )


def _add_postings(
    batch: Batch,
    standing: Standing,
    facts: Facts,
    evaluation: Evaluation,
    locked: Locked,
    purse: Purse,
) -> None:
    if standing.held_on is not None or (
        facts.admitting and standing.state is ProposalState.AWAITING_APPROVAL
    ):
        add_openings(batch, locked, purse)
        return
    cost = None if standing.state.is_final else evaluation.cost
    add_reservation(batch, locked, purse, cost, shrink=not facts.admitting)


def _add_admission(batch: Batch, facts: Facts, place: Place) -> None:
    draft = facts.draft
    if facts.lease_owner != draft.id:
        batch.add(leases.taking(place.domain, draft.id))
        batch.audit(leases.taken_event(place.domain, draft.id, draft.tenant))
    rate.add_use(batch, use_of(facts, place))
    for breaker in facts.breakers:
        if is_due_for_probe(breaker, facts):
            breakers.add_probe(batch, breaker, draft.id, facts.now, tenant=draft.tenant)


def _add_standing(
    batch: Batch,
    standing: Standing,
    facts: Facts,
    evaluation_digest: str,
    proposal: Proposal | None,
    locked: Locked,
    risk: RiskTier | None,
    until: datetime | None,
) -> None:
    if standing.held_on is not None:
        held = (standing.held_on, standing.reason_code, standing.message)
        batch.add(proposals.holding(locked.row, *held, until))
        add_wake(batch, locked, standing.held_on, until)
    elif standing.admitted:
        values = {
            "held_on": None,
            "held_until": None,
            "reason_code": standing.reason_code,
            "message": standing.message,
        }
        batch.add(updating(proposal_rows, values, where={"id": locked.row.id}))
    else:
        proposals.add_move(
            batch,
            locked.row,
            standing.state,
            actor=SYSTEM,
            reason_code=standing.reason_code,
            message=standing.message,
            proposal=None if facts.admitting else proposal,
            risk=risk,
            facts={"evaluation_digest": evaluation_digest, "pass_number": facts.pass_number},
        )


def _tier(facts: Facts, evaluation: Evaluation) -> RiskTier:
    threshold = facts.approval_limits.max_monthly_delta
    known = risk_facts_of(
        facts.draft,
        facts.observation,
        evaluation.cost,
        production=facts.is_production,
        monthly_threshold=threshold,
    )
    return risk_of(known).tier


async def _give_back(connection: AsyncConnection, facts: Facts, place: Place) -> None:
    """Let others at the cluster: a lease and a probe are kept only by what is about to act."""
    if any(breaker.probe_owner == facts.draft.id for breaker in facts.breakers):
        await breakers.release_probes(connection, facts.draft.id, tenant=facts.draft.tenant)
    if facts.lease_owner == facts.draft.id:
        await leases.release(connection, place.domain, facts.draft.id)
