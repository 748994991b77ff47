"""AUDIT: rebuilds where everything stands from the payloads of the events alone. Pure.

It is the other half of I6: the log not only verifies, it is enough. Events come in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from adapters.audit.export import read_entry
from adapters.audit.replay_attendance import ATTENDANCE_STEPS, AttendanceStep, ReplayedAttendance
from adapters.audit.replay_safety import SAFETY_STEPS, ReplayedSafety, SafetyStep
from contracts.action_cost import ActionCost
from contracts.audit import AuditEvent, AuditType
from contracts.decision import DecisionKind, DecisionStatus, SignedDecision
from contracts.errors import SluiceError
from contracts.proposal import TRANSITIONS, Draft, ProposalState
from contracts.request import Request, RequestStatus
from contracts.safety import Breaker, BreakerState


class ReplayInconsistent(SluiceError):
    """An event does not follow from those before it. The message names it."""

    reason_code = "replay_inconsistent"


@dataclass(frozen=True, slots=True)
class ReplayedRequest:
    """Where a request stands."""

    id: str
    status: RequestStatus
    answer: str | None = None
    reason_code: str | None = None
    joined: tuple[str, ...] = ()
    """Open proposals that ask for the same."""
    is_resolved: bool = False
    """The alert behind it resolved."""


@dataclass(frozen=True, slots=True)
class ReplayedProposal:
    """Where a proposal stands."""

    id: str
    tenant: str
    state: ProposalState
    revision: int
    digest: str | None = None
    reason_code: str | None = None
    """Of the last move. A hold changes the row's without a move."""


@dataclass(frozen=True, slots=True)
class ReplayedVote:
    """What became of a stored decision."""

    id: str
    proposal_id: str
    revision: int
    reviewer: str
    """`issuer/subject`."""
    kind: DecisionKind
    status: DecisionStatus
    reason_code: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayedBalance:
    """Sums of one budget window."""

    currency: str
    reserved: Decimal = Decimal(0)
    committed: Decimal = Decimal(0)
    hourly: Decimal = Decimal(0)
    alerted: int = 0


@dataclass(frozen=True, slots=True)
class ReplayedBucket:
    """An execution budget as the latest admission left it."""

    deficit: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ReplayedUse:
    """The latest admission of a proposal."""

    target_key: str
    environment: str
    agent: str | None
    direction: int
    used_at: datetime


@dataclass(slots=True)
class Replayed:
    """The rebuilt state."""

    requests: dict[str, ReplayedRequest] = field(default_factory=dict)
    proposals: dict[str, ReplayedProposal] = field(default_factory=dict)
    votes: dict[str, ReplayedVote] = field(default_factory=dict)
    balances: dict[tuple[str, str, str], ReplayedBalance] = field(default_factory=dict)
    """By tenant, scope and window."""
    buckets: dict[str, ReplayedBucket] = field(default_factory=dict)
    uses: dict[str, ReplayedUse] = field(default_factory=dict)
    """By proposal."""
    costs: dict[str, ActionCost] = field(default_factory=dict)
    """By proposal."""
    safety: ReplayedSafety = field(default_factory=ReplayedSafety)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    attendance: ReplayedAttendance = field(default_factory=ReplayedAttendance)


def replay(events: Iterable[AuditEvent]) -> Replayed:
    """Fold events into the state they leave behind. Types that change none of it are passed over.

    Raises:
        ReplayInconsistent: an event does not follow from those before it.
    """
    state = Replayed()
    for event in events:
        step = _STEPS.get(event.type)
        if step is None:
            continue
        try:
            step(state, event)
        except (KeyError, ValueError, ArithmeticError) as error:
            raise ReplayInconsistent(f"event {event.id} ({event.type}) does not follow") from error
    return state


def events_of(lines: Iterable[bytes]) -> Iterator[AuditEvent]:
    """Yield the events of an export that was verified before."""
    for line in lines:
        entry = read_entry(line)
        if entry is not None:
            yield AuditEvent.model_validate_json(entry.leaf)


def _request_received(state: Replayed, event: AuditEvent) -> None:
    request = Request.model_validate(event.payload)
    _is_new(request.id, state.requests)
    state.requests[request.id] = ReplayedRequest(request.id, RequestStatus.RECEIVED)


def _request_planning(state: Replayed, event: AuditEvent) -> None:
    present = state.requests[event.payload["request_id"]]
    _must(present.status is RequestStatus.RECEIVED)
    state.requests[present.id] = replace(present, status=RequestStatus.PLANNING)


def _request_closed(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    present = state.requests[payload["request_id"]]
    _must(not present.status.is_final)
    state.requests[present.id] = replace(
        present,
        status=RequestStatus(payload["status"]),
        answer=payload["answer"],
        reason_code=payload["reason_code"],
        joined=tuple(payload.get("joined", ())),
    )


def _alert_resolved(state: Replayed, event: AuditEvent) -> None:
    present = state.requests[event.payload["request_id"]]
    state.requests[present.id] = replace(present, is_resolved=True)


def _proposal_created(state: Replayed, event: AuditEvent) -> None:
    draft = Draft.model_validate(event.payload)
    _is_new(draft.id, state.proposals)
    state.proposals[draft.id] = ReplayedProposal(
        draft.id, draft.tenant, ProposalState.EVALUATING, draft.revision
    )


def _proposal_moved(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    present, to = state.proposals[payload["proposal_id"]], ProposalState(payload["to"])
    _must(present.state is ProposalState(payload["from"]) and to in TRANSITIONS[present.state])
    state.proposals[present.id] = replace(
        present,
        state=to,
        revision=payload["revision"],
        digest=payload.get("digest", present.digest),
        reason_code=payload["reason_code"],
    )


def _decision_recorded(state: Replayed, event: AuditEvent) -> None:
    decision = SignedDecision.model_validate(event.payload).decision
    _is_new(decision.id, state.votes)
    _must(decision.proposal_id in state.proposals)
    state.votes[decision.id] = ReplayedVote(
        decision.id,
        decision.proposal_id,
        decision.revision,
        decision.reviewer.key,
        decision.kind,
        DecisionStatus.RECORDED,
    )


def _decision_applied(state: Replayed, event: AuditEvent) -> None:
    decision = SignedDecision.model_validate(event.payload).decision
    _settle(state, decision.id, DecisionStatus.RECORDED, DecisionStatus.APPLIED, None)


def _decision_refused(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    # A refused message that only claims to be somebody's decision settles no stored one.
    if "claimed_reviewer" not in payload:
        _settle(
            state,
            payload["decision_id"],
            DecisionStatus.RECORDED,
            DecisionStatus.REFUSED,
            payload["reason_code"],
        )


def _decision_voided(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    _settle(
        state, payload["decision_id"], DecisionStatus.APPLIED, DecisionStatus.VOIDED, payload["reason_code"]
    )


def _decision_superseded(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    present, newer = state.votes[payload["decision_id"]], state.votes[payload["by"]]
    _must(present.status in (DecisionStatus.RECORDED, DecisionStatus.APPLIED))
    _must((present.proposal_id, present.revision) == (newer.proposal_id, newer.revision))
    _must(present.reviewer == newer.reviewer and present.id != newer.id)
    state.votes[present.id] = replace(
        present, status=DecisionStatus.SUPERSEDED, reason_code=DecisionStatus.SUPERSEDED.value
    )


def _proposal_revised(state: Replayed, event: AuditEvent) -> None:
    draft = Draft.model_validate(event.payload["draft"])
    present = state.proposals[draft.id]
    _must(present.state is ProposalState.AWAITING_APPROVAL and draft.revision == present.revision + 1)
    state.proposals[present.id] = replace(present, revision=draft.revision, digest=None)


def _ledger_posted(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    kind, proposal_id, request_id = payload["kind"], payload["proposal_id"], payload.get("request_id")
    _must(proposal_id is None or proposal_id in state.proposals)
    _must(request_id is None or request_id in state.requests)
    _must((proposal_id is None and request_id is None) == (kind == "opening"))
    key, amount = (payload["tenant"], payload["scope"], payload["window"]), Decimal(payload["amount"])
    _must(kind != "opening" or key not in state.balances)
    present = state.balances.get(key, ReplayedBalance(payload["currency"]))
    # Events from before double entry name no accounts; their kinds say them.
    accounts = payload.get("debit"), payload.get("credit")
    debit, credit = accounts if accounts[0] else _ACCOUNTS_OF[kind]
    after = replace(
        present,
        reserved=present.reserved + amount * ((credit == "reserved") - (debit == "reserved")),
        committed=present.committed + amount * ((credit == "committed") - (debit == "committed")),
        hourly=present.hourly + Decimal(payload.get("hourly", 0)),
    )
    _must(min(after.reserved, after.committed, after.hourly) >= 0)
    _must(after.currency == payload["currency"])
    state.balances[key] = after


_ACCOUNTS_OF = {
    "reserve": ("available", "reserved"),
    "commit": ("reserved", "committed"),
    "release": ("reserved", "available"),
}


def _budget_alerted(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    key = (payload["tenant"], payload["scope"], payload["window"])
    present = state.balances[key]
    _must(payload["percent"] > present.alerted)
    state.balances[key] = replace(present, alerted=payload["percent"])


def _cost_recorded(state: Replayed, event: AuditEvent) -> None:
    cost = ActionCost.model_validate(event.payload)
    _is_new(cost.proposal_id, state.costs)
    _must(cost.proposal_id in state.proposals)
    state.costs[cost.proposal_id] = cost


def _rate_consumed(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    _must(payload["proposal_id"] in state.proposals)
    state.uses[payload["proposal_id"]] = ReplayedUse(
        payload["target_key"],
        payload["environment"],
        payload["agent"],
        payload["direction"],
        datetime.fromisoformat(payload["used_at"]),
    )
    for one in payload["buckets"]:
        _must(one["deficit"] >= 0)
        state.buckets[one["key"]] = ReplayedBucket(one["deficit"], datetime.fromisoformat(one["as_of"]))


def _in_safety(step: SafetyStep, state: Replayed, event: AuditEvent) -> None:
    step(state.safety, event)


def _in_attendance(step: AttendanceStep, state: Replayed, event: AuditEvent) -> None:
    step(state.attendance, event)


def _breaker_moved(state: Replayed, event: AuditEvent) -> None:
    breaker = Breaker.model_validate(event.payload["breaker"])
    present = state.breakers.get(breaker.id)
    state_before = BreakerState.CLOSED if present is None else present.state
    _must(state_before is BreakerState(event.payload["from"]))
    state.breakers[breaker.id] = breaker


_STEPS: dict[AuditType, Callable[[Replayed, AuditEvent], None]] = {
    AuditType.REQUEST_RECEIVED: _request_received,
    AuditType.REQUEST_PLANNING: _request_planning,
    AuditType.REQUEST_CLOSED: _request_closed,
    AuditType.ALERT_RESOLVED: _alert_resolved,
    AuditType.PROPOSAL_CREATED: _proposal_created,
    AuditType.PROPOSAL_MOVED: _proposal_moved,
    AuditType.DECISION_RECORDED: _decision_recorded,
    AuditType.DECISION_APPLIED: _decision_applied,
    AuditType.DECISION_REFUSED: _decision_refused,
    AuditType.DECISION_VOIDED: _decision_voided,
    AuditType.DECISION_SUPERSEDED: _decision_superseded,
    AuditType.PROPOSAL_REVISED: _proposal_revised,
    AuditType.LEDGER_POSTED: _ledger_posted,
    AuditType.BREAKER_MOVED: _breaker_moved,
    AuditType.RATE_CONSUMED: _rate_consumed,
    AuditType.BUDGET_ALERTED: _budget_alerted,
    AuditType.COST_RECORDED: _cost_recorded,
    **{kind: partial(_in_safety, step) for kind, step in SAFETY_STEPS.items()},
    **{kind: partial(_in_attendance, step) for kind, step in ATTENDANCE_STEPS.items()},
}


def _settle(
    state: Replayed, decision_id: str, expected: DecisionStatus, to: DecisionStatus, reason_code: str | None
) -> None:
    present = state.votes[decision_id]
    _must(present.status is expected)
    state.votes[decision_id] = replace(present, status=to, reason_code=reason_code)


def _is_new(key: str, known: dict[str, Any]) -> None:
    _must(key not in known)


def _must(holds: bool) -> None:
    if not holds:
        raise ValueError("does not follow")
