"""AUDIT: rebuilds where everything stands from the payloads of the events alone. Pure.

It is the other half of I6: the log not only verifies, it is enough. Events come in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from adapters.audit.export import read_entry
from contracts.audit import AuditEvent, AuditType
from contracts.decision import DecisionKind, DecisionStatus, SignedDecision
from contracts.errors import SluiceError
from contracts.proposal import TRANSITIONS, Draft, ProposalState
from contracts.request import Request, RequestStatus


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


@dataclass(slots=True)
class Replayed:
    """The rebuilt state."""

    requests: dict[str, ReplayedRequest] = field(default_factory=dict)
    proposals: dict[str, ReplayedProposal] = field(default_factory=dict)
    votes: dict[str, ReplayedVote] = field(default_factory=dict)
    balances: dict[tuple[str, str, str], ReplayedBalance] = field(default_factory=dict)
    """By tenant, scope and window."""


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
    state.requests[present.id] = ReplayedRequest(
        present.id, RequestStatus(payload["status"]), payload["answer"], payload["reason_code"]
    )


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
        f"{decision.reviewer.issuer}/{decision.reviewer.subject}",
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


def _ledger_posted(state: Replayed, event: AuditEvent) -> None:
    payload = event.payload
    _must(payload["proposal_id"] in state.proposals)
    key, amount = (payload["tenant"], payload["scope"], payload["window"]), Decimal(payload["amount"])
    present = state.balances.get(key, ReplayedBalance(payload["currency"]))
    signs = {"reserve": (1, 0), "commit": (-1, 1), "release": (-1, 0)}
    reserved, committed = signs[payload["kind"]]
    after = replace(
        present,
        reserved=present.reserved + reserved * amount,
        committed=present.committed + committed * amount,
    )
    _must(after.reserved >= 0 and after.currency == payload["currency"])
    state.balances[key] = after


_STEPS: dict[AuditType, Callable[[Replayed, AuditEvent], None]] = {
    AuditType.REQUEST_RECEIVED: _request_received,
    AuditType.REQUEST_PLANNING: _request_planning,
    AuditType.REQUEST_CLOSED: _request_closed,
    AuditType.PROPOSAL_CREATED: _proposal_created,
    AuditType.PROPOSAL_MOVED: _proposal_moved,
    AuditType.DECISION_RECORDED: _decision_recorded,
    AuditType.DECISION_APPLIED: _decision_applied,
    AuditType.DECISION_REFUSED: _decision_refused,
    AuditType.DECISION_VOIDED: _decision_voided,
    AuditType.LEDGER_POSTED: _ledger_posted,
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
