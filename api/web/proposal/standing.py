"""Where a proposal stands, in words for the person who looks at it: a headline, what it means, and what to do next.

Pure. Everything is said from typed fields; no word of an agent or an alert is repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from api import words
from api.proposals.eligibility import ALREADY_DECIDED
from api.proposals.schemas import ProposalView
from contracts import eligibility
from contracts.decision import DecisionKind, ReasonName
from contracts.effect import LATE_CALL, LATENESS_UNKNOWN, ReceiptOutcome, Step
from contracts.evaluation import Outcome
from contracts.proposal import DRY_RUN, EXECUTE_BY_PASSED, ProposalState

Tone = Literal["neutral", "note", "ok", "warn", "danger", "hold"]

REASONS: Mapping[ReasonName, str] = {
    ReasonName.TOO_EXPENSIVE: "Too expensive",
    ReasonName.TOO_LARGE: "Too large a change at once",
    ReasonName.WRONG_TARGET: "Wrong target",
    ReasonName.WRONG_TIME: "Wrong time",
    ReasonName.NOT_NEEDED: "Not needed",
    ReasonName.EVIDENCE_MISSING: "Evidence is missing",
    ReasonName.OTHER: "Something else",
}

_HOLDS: Mapping[str, str] = {
    "gke.cluster": "another change on this cluster",
    "halt": "a halt",
    "breaker": "an open circuit breaker",
    "rate": "the rate limit",
    "window": "a change window",
}


@dataclass(frozen=True)
class Standing:
    """The headline of a proposal's state."""

    tone: Tone
    title: str
    text: str
    next_steps: tuple[str, ...] = ()
    is_moving: bool = False
    """Something is under way, and the page will change by itself."""


@dataclass(frozen=True)
class Progress:
    """One stage of the path, as it stands: `done`, `now`, `ahead`, or `wrong`."""

    name: str
    state: Literal["done", "now", "ahead", "wrong"]


def is_no_op(view: ProposalView) -> bool:
    """Tell whether the target already was as desired, so that nothing was called."""
    return view.receipt is not None and view.receipt.outcome is ReceiptOutcome.NO_OP


def is_uninspectable(view: ProposalView) -> bool:
    """Tell whether something a decision is bound to is missing, so that nobody can decide on it."""
    shown = (view.before, view.blast_radius, view.digest, view.evaluation_digest, view.cost, view.requirement)
    return any(one is None for one in shown)


def what_holds(held_on: str | None) -> str:
    """Return what a held proposal waits for, in words."""
    kind = (held_on or "").partition(":")[0].partition("/")[0]
    return _HOLDS.get(kind, "something that has to end first")


def standing_of(view: ProposalView) -> Standing:
    """Return the headline."""
    if view.dry_run and view.reason_code == DRY_RUN:
        return Standing(
            "note", "Dry run: judged, not run", "Nothing ran and nothing will. This is what the gates say."
        )
    if view.reason_code == "resolved_by_operator" and view.state in _LEFT:
        state = words.plain(view.state)
        told = f"It had gone dirty. An operator looked at the target, and left it {_LEFT[view.state]}."
        return Standing("note", f"Resolved as {state}", told)
    return _STANDINGS[view.state](view)


_LEFT: Mapping[ProposalState, str] = {
    ProposalState.SUCCEEDED: "as asked",
    ProposalState.ROLLED_BACK: "as before",
    ProposalState.FAILED: "in another state, on purpose",
}
"""What an operator who resolves a dirty proposal says, as its form words it."""


def _evaluating(_: ProposalView) -> Standing:
    return Standing(
        "note",
        "Being evaluated",
        "The target is being observed and every guardrail asked. No decision yet.",
        is_moving=True,
    )


def _awaiting(view: ProposalView) -> Standing:
    if is_uninspectable(view):
        return Standing(
            "danger",
            "Cannot be inspected",
            "Facts that a decision would be bound to are missing, so nobody can approve it.",
            ("Reject or cancel it, and propose it again.",),
        )
    if view.eligibility.may_decide:
        return Standing("warn", "Waits for your decision", "Read the ten facts, then decide.")
    if view.eligibility.why_not == eligibility.ALREADY_VOTED:
        asked = view.requirement.quorum if view.requirement else 1
        missing = max(0, asked - view.approvals_given)
        more = "one more person" if missing == 1 else f"{missing} more people"
        return Standing(
            "note", "You have decided", f"{view.approvals_given} of {asked} approved; it waits for {more}."
        )
    return Standing("note", "Waits for a decision", f"{view.eligibility.message}")


def _ready(view: ProposalView) -> Standing:
    if view.held_on:
        text = f"It is approved, and starts by itself when {what_holds(view.held_on)} is out of the way."
        return Standing("hold", f"Held by {what_holds(view.held_on)}", text, is_moving=True)
    return Standing("note", "Ready", "Every gate agreed. It starts at once.", is_moving=True)


def _executing(view: ProposalView) -> Standing:
    forward = next((one for one in view.effects if one.step is Step.FORWARD), None)
    if forward is None or forward.operation is None:
        return Standing(
            "note", "Executing", "The intent is written; the provider is asked next.", is_moving=True
        )
    return Standing("note", "Executing", "The provider took the call. Its operation runs.", is_moving=True)


def _verifying(_: ProposalView) -> Standing:
    return Standing(
        "note",
        "Verifying",
        "The provider's operation ended. What really runs is being looked at.",
        is_moving=True,
    )


def _rolling_back(_: ProposalView) -> Standing:
    return Standing(
        "warn",
        "Rolling back",
        "The outcome was wrong, so the state before is being restored.",
        is_moving=True,
    )


def _succeeded(view: ProposalView) -> Standing:
    if is_no_op(view):
        return Standing("ok", "Nothing to do", "The target already was as wanted. Nothing was called.")
    return Standing("ok", "Done and verified", "What runs is what was asked for.")


def _rolled_back(_: ProposalView) -> Standing:
    return Standing(
        "warn", "Rolled back", "The outcome was wrong. The state before is restored, and that is verified."
    )


def _denied(view: ProposalView) -> Standing:
    denials = [one for one in view.verdicts if one.outcome is Outcome.DENY]
    many = f"{len(denials)} guardrails denied it." if len(denials) > 1 else "A guardrail denied it."
    return Standing(
        "danger", "Denied. Nothing ran", many if denials else "It was denied before it could run."
    )


def _rejected(view: ProposalView) -> Standing:
    vote = view.decided_by
    if vote is None or vote.decision is not DecisionKind.REJECT:
        return Standing("danger", "Rejected. Nothing ran", "A reviewer rejected it.")
    why = f": {REASONS[vote.reason_name].lower()}" if vote.reason_name else ""
    return Standing(
        "danger", f"Rejected by {vote.reviewer.subject}. Nothing ran", f"Named reason{why}." if why else ""
    )


def _expired(view: ProposalView) -> Standing:
    if _was_held_too_long(view):
        told = "It could not start in time."
    else:
        given = view.approvals_given
        told = f"{given} approved in time." if given else "Nobody decided in time."
    return Standing(
        "neutral",
        "Expired. Nothing ran",
        f"{told} Expiry counts as a rejection.",
        ("Propose it again if it is still wanted.",),
    )


def _was_held_too_long(view: ProposalView) -> bool:
    return view.state is ProposalState.EXPIRED and view.reason_code == EXECUTE_BY_PASSED


def _cancelled(_: ProposalView) -> Standing:
    return Standing("neutral", "Cancelled. Nothing ran", "It was taken back before anything changed.")


_LATE = frozenset({LATE_CALL, LATENESS_UNKNOWN})
"""Reason codes of a call that was made too late, or may have been."""


def _stale(view: ProposalView) -> Standing:
    if view.reason_code in _LATE:
        return Standing(
            "danger",
            "Out of date, and perhaps called for",
            "A worker that had slept called the provider too late, or may have.",
            ("Compare the pool with what was decided before you propose it again.",),
        )
    return Standing(
        "warn",
        "Out of date. Nothing ran",
        "The target was no longer as it was when this was approved, so the approval did not fit any more.",
        ("Propose it again: the present state will be observed and shown.",),
    )


def _failed(_: ProposalView) -> Standing:
    return Standing(
        "danger",
        "Failed. No effect took place",
        "The provider refused it, or it could not be asked.",
        ("See the receipt below for the provider's code, then propose it again.",),
    )


def _dirty(_: ProposalView) -> Standing:
    return Standing(
        "danger",
        "A person must look",
        "Nobody can tell for sure what runs now. The target stays locked, and somebody was paged.",
        (
            "Look at the target itself, and wait until no operation runs on it.",
            "If it is neither as before nor as asked (both stand below), bring it to one of them by hand.",
            "Then resolve this proposal with what you found. That frees the target.",
        ),
    )


_S = ProposalState
_STANDINGS: Mapping[ProposalState, Callable[[ProposalView], Standing]] = {
    _S.EVALUATING: _evaluating,
    _S.AWAITING_APPROVAL: _awaiting,
    _S.READY: _ready,
    _S.EXECUTING: _executing,
    _S.VERIFYING: _verifying,
    _S.ROLLING_BACK: _rolling_back,
    _S.SUCCEEDED: _succeeded,
    _S.ROLLED_BACK: _rolled_back,
    _S.DENIED: _denied,
    _S.REJECTED: _rejected,
    _S.EXPIRED: _expired,
    _S.CANCELLED: _cancelled,
    _S.STALE: _stale,
    _S.FAILED: _failed,
    _S.DIRTY: _dirty,
}

_STAGES = ("Check", "Approval", "Execution", "Verification")
_REACHED: Mapping[ProposalState, int] = {
    _S.EVALUATING: 0,
    _S.AWAITING_APPROVAL: 1,
    _S.READY: 2,
    _S.EXECUTING: 2,
    _S.VERIFYING: 3,
    _S.ROLLING_BACK: 3,
    _S.SUCCEEDED: 4,
    _S.DENIED: 0,
    _S.REJECTED: 1,
    _S.EXPIRED: 1,
    _S.CANCELLED: 1,
    _S.STALE: 2,
    _S.FAILED: 2,
    _S.DIRTY: 3,
    _S.ROLLED_BACK: 3,
}
_RIGHT = frozenset({_S.EVALUATING, _S.AWAITING_APPROVAL, _S.READY, _S.EXECUTING, _S.VERIFYING, _S.SUCCEEDED})


def progress_of(view: ProposalView) -> tuple[Progress, ...]:
    """Return the four stages of the path with how far it came."""
    reached = _REACHED[_S.READY if _was_held_too_long(view) else view.state]
    here: Literal["now", "wrong"] = "now" if view.state in _RIGHT else "wrong"
    return tuple(
        Progress(name, "done" if place < reached else here if place == reached else "ahead")
        for place, name in enumerate(_STAGES)
    )


def told_conflict(view: ProposalView, code: str, age_seconds: float | None) -> str:
    """Return who was faster, in one sentence, for a decision that came too late; empty where nobody was."""
    vote = view.decided_by
    if vote is None or code not in {ALREADY_DECIDED, "decision_late", "not_awaiting_approval"}:
        return ""
    ago = f" {max(0, round(age_seconds))} s ago" if age_seconds is not None and age_seconds < 120 else ""
    return f"{vote.reviewer.subject} {words.voted(vote.decision)}{ago}."
