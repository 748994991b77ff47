"""One audit event in one plain line: what happened, made of typed facts; words of others stand apart, as a quotation.

A payload that cannot be read any more still gets its line, from the event's type alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from pydantic import ValidationError

from api import words
from api.audit import wording
from contracts.action_cost import ActionCost
from contracts.audit import AuditEvent, AuditType
from contracts.break_glass import BreakGlass, BreakGlassUse
from contracts.decision import SignedDecision
from contracts.delegation import Delegation
from contracts.effect import LATE_CALL, Intent, Receipt, Step, Verification
from contracts.evaluation import Evaluation
from contracts.messages import summary_of
from contracts.override import GateOverride
from contracts.principal import Principal
from contracts.proposal import Draft, PlannerKind
from contracts.request import Request, Trust
from contracts.safety import Halt


class Words(NamedTuple):
    """A line, and what somebody wrote in their own words: never part of the line."""

    text: str
    quote: str = ""
    is_unverified: bool = False
    """True when an agent or an alert wrote the quotation."""
    by: str = ""
    """Who wrote it, where that is not the event's actor."""


def words_of(event: AuditEvent) -> Words:
    """Return what happened in one line. Never raises for what an event holds."""
    try:
        return _LINES[event.type](event, event.payload)
    except (ValidationError, KeyError, TypeError, ValueError, InvalidOperation):
        return Words(f"{words.plain(event.type)}: the payload has another shape")


def _request_received(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    request = Request.model_validate(payload)
    if request.alert is not None:
        told = f"{wording.who(event.actor)} sent an alert that is {request.alert.status}"
        return Words(told, request.text, is_unverified=True, by="alert")
    told = f"{wording.who(event.actor)} asked for something by {request.channel}"
    return Words(told, request.text, request.trust is Trust.UNTRUSTED, wording.who(request.requester))


def _request_planning(_: AuditEvent, __: Mapping[str, Any]) -> Words:
    return Words("A planner took the request up")


def _request_closed(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    steps = wording.count(len(payload["steps"]), "step")
    told = f"The request ended: {words.plain(payload['status'])}, after {steps}"
    return Words(told, payload["answer"] or "", is_unverified=True, by="agent")


def _proposal_created(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    draft = Draft.model_validate(payload)
    dry = " as a dry run" if draft.dry_run else ""
    where = f" in {draft.environment}" if draft.environment else ""
    by_person = draft.planner.kind in (PlannerKind.DIRECT, PlannerKind.UNDO)
    unverified = not by_person or draft.trust is Trust.UNTRUSTED
    by = "" if by_person else "agent"
    return Words(f"Proposed{dry} to {summary_of(draft.action)}{where}", draft.reason, unverified, by)


def _proposal_evaluated(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    found = Evaluation.model_validate(payload)
    worst = "" if found.worst.outcome.value == "allow" else f", because of {found.worst.guardrail}"
    return Words(f"Guard pass {found.pass_number}: {words.plain(found.outcome)}{worst}")


def _proposal_moved(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    by = f" by {wording.who(event.actor)}" if event.actor.issuer != "sluice" else ""
    states = f"{words.plain(payload['from']).capitalize()} → {words.plain(payload['to'])}"
    quote = payload["message"] if by and payload["reason_code"] != "alert_resolved" else ""
    return Words(f"{states}{by} ({payload['reason_code']})", quote)


def _proposal_commented(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    return Words(f"{wording.who(event.actor)} commented", str(payload["text"]))


def _decision(then: str) -> Callable[[AuditEvent, Mapping[str, Any]], Words]:
    def line(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
        decision = SignedDecision.model_validate(payload).decision
        voted = (
            f"{wording.who(decision.reviewer)} {wording.VOTED[decision.kind]} revision {decision.revision}"
        )
        return Words(f"{voted}: {then}", decision.reason, by=wording.who(decision.reviewer))

    return line


def _decision_refused(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    claimed = " that only claimed to be somebody's" if "claimed_reviewer" in payload else ""
    return Words(f"A decision{claimed} was refused ({payload['reason_code']})")


def _decision_voided(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    return Words(f"A decision became void ({payload['reason_code']})")


def _decision_superseded(event: AuditEvent, _: Mapping[str, Any]) -> Words:
    return Words(f"A newer decision of {wording.who(event.actor)} replaced the one before")


def _proposal_revised(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    draft = Draft.model_validate(payload["draft"])
    edited = f"{wording.who(event.actor)} edited it: {summary_of(draft.action)}, revision {draft.revision}"
    return Words(edited, draft.reason, by=wording.who(event.actor))


def _ledger_posted(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    kinds = {
        "reserve": "Reserved",
        "commit": "Spent",
        "release": "Gave back",
        "adjust": "Spent beyond what was reserved:",
        "opening": "A new window starts with",
    }
    amount = words.money(Decimal(payload["amount"]), payload["currency"])
    what = kinds[payload["kind"]]
    if payload.get("credit") == "available" and payload["kind"] == "adjust":
        what = "Saved"
    return Words(f"{what} {amount} of {payload['scope']}, {payload['window']}")


def _budget_alerted(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    limit = words.money(Decimal(payload["limit"]), payload["currency"])
    return Words(f"{payload['scope']}, {payload['window']} reached {payload['percent']} % of {limit}")


def _cost_recorded(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    cost = ActionCost.model_validate(payload)
    found = words.money(cost.verified_monthly, cost.currency)
    expected = words.money(cost.estimated_monthly, cost.currency)
    return Words(f"It comes to {found} a month; {expected} was expected")


def _alert_resolved(_: AuditEvent, __: Mapping[str, Any]) -> Words:
    return Words("The alert behind it resolved")


def _rate_consumed(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    count = len(payload["buckets"])
    took = f"Took one token of each of {count} execution budgets" if count else "Had its tokens already"
    return Words(f"{took}, to change {payload['target_key']}")


def _lease_taken(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    return Words(f"Took the right to act on {payload['domain']}")


def _lease_released(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    return Words(f"Gave back the right to act on {payload['domain']}")


def _intent_written(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    intent = Intent.model_validate(payload)
    return Words(f"Noted {wording.EFFECTS[intent.step]} before any call: {summary_of(intent.action)}")


def _effect_issued(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    step = wording.EFFECTS[Step(payload["step"])]
    found = "found again" if payload["adopted"] else "accepted"
    return Words(f"The provider {found} {step}: operation {payload['operation']}")


def _effect_late(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    step = wording.EFFECTS[Step(payload["step"])].capitalize()
    made = "was called for" if payload["reason_code"] == LATE_CALL else "may have been called for"
    named = f": operation {payload['operation']}" if payload["operation"] else ""
    return Words(f"{step} {made} too late{named}; somebody was paged")


def _receipt_written(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    receipt = Receipt.model_validate(payload)
    code = f" ({receipt.error_code})" if receipt.error_code else ""
    step = wording.EFFECTS[receipt.step].capitalize()
    return Words(f"{step} ended: {wording.RECEIPTS[receipt.outcome]}{code}")


def _verification_recorded(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    found = Verification.model_validate(payload)
    answer = "as expected" if found.matches else f"not as expected ({found.reason_code})"
    return Words(f"Looked at the provider after {wording.EFFECTS[found.step]}: {answer}")


def _halt(text: str) -> Callable[[AuditEvent, Mapping[str, Any]], Words]:
    def line(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
        halt = Halt.model_validate(payload)
        told = text.format(who=wording.who(event.actor), scope=words.scope(halt.scope))
        return Words(told, halt.reason, by=wording.who(halt.created_by))

    return line


def _breaker_moved(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    by = f" by {wording.who(event.actor)}" if event.actor.issuer != "sluice" else ""
    states = f"{words.plain(payload['from'])} → {words.plain(payload['to'])}"
    return Words(f"Circuit breaker {states}{by} ({payload['reason_code']})", payload["reason"])


def _gate_overridden(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    found = GateOverride.model_validate(payload)
    return Words(f"{wording.who(event.actor)} overrode {', '.join(found.windows)}", found.reason)


def _break_glass(text: str) -> Callable[[AuditEvent, Mapping[str, Any]], Words]:
    def line(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
        grant = BreakGlass.model_validate(payload)
        told = text.format(who=wording.who(event.actor), scope=words.scope(grant.scope))
        if grant.reviewed_by is not None:
            return Words(told, grant.review, by=wording.who(grant.reviewed_by))
        return Words(told, grant.reason, by=wording.who(grant.opened_by))

    return line


def _break_glass_used(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    use = BreakGlassUse.model_validate(payload)
    gates = ", ".join(words.plain(gate) for gate in use.gates)
    return Words(f"Break-glass let a proposal through: {gates}")


def _token_issued(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    holder = Principal.model_validate(payload["principal"])
    return Words(f"{wording.who(event.actor)} issued a token for {wording.who(holder)}")


def _token_revoked(event: AuditEvent, _: Mapping[str, Any]) -> Words:
    return Words(f"{wording.who(event.actor)} revoked a token")


def _login_link_issued(event: AuditEvent, _: Mapping[str, Any]) -> Words:
    return Words(f"{wording.who(event.actor)} issued a one-time login link")


def _session_opened(event: AuditEvent, _: Mapping[str, Any]) -> Words:
    return Words(f"{wording.who(event.actor)} signed in")


def _session_closed(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    if payload.get("reason") == "token_revoked":
        return Words(f"{wording.who(event.actor)} ended a session with its owner's token")
    return Words(f"{wording.who(event.actor)} signed out")


def _configuration_loaded(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    again = "" if payload["previous"] is None else " without a restart"
    return Words(f"The {payload['process']} took the configuration {_short(payload['revision'])} up{again}")


def _configuration_refused(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    faults = wording.count(len(payload["faults"]), "fault")
    told = f"The {payload['process']} refused a configuration for {faults}"
    return Words(f"{told}; {_short(payload['in_force'])} stays in force")


def _short(revision: str) -> str:
    return revision.removeprefix("sha256:")[:12]


def _delegation_created(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    found = Delegation.model_validate(payload)
    people = f"{wording.who(found.delegate)} decide for {wording.who(found.delegator)}"
    until = f"{found.until:%Y-%m-%d %H:%M} UTC"
    return Words(f"{wording.who(event.actor)} let {people} until {until}", found.reason)


def _delegation_revoked(event: AuditEvent, payload: Mapping[str, Any]) -> Words:
    found = Delegation.model_validate(payload["delegation"])
    people = f"{wording.who(found.delegate)} no longer decides for {wording.who(found.delegator)}"
    return Words(f"{people}: ended by {wording.who(event.actor)}")


def _proposal_reminded(_: AuditEvent, payload: Mapping[str, Any]) -> Words:
    said = {"remind": "Reminded those who can decide", "escalate": "Escalated", "page": "Paged"}
    return Words(f"{said[payload['step']]}: nobody decided on revision {payload['revision']} yet")


_LINES: Mapping[AuditType, Callable[[AuditEvent, Mapping[str, Any]], Words]] = {
    AuditType.REQUEST_RECEIVED: _request_received,
    AuditType.REQUEST_PLANNING: _request_planning,
    AuditType.REQUEST_CLOSED: _request_closed,
    AuditType.ALERT_RESOLVED: _alert_resolved,
    AuditType.PROPOSAL_CREATED: _proposal_created,
    AuditType.PROPOSAL_EVALUATED: _proposal_evaluated,
    AuditType.PROPOSAL_MOVED: _proposal_moved,
    AuditType.PROPOSAL_COMMENTED: _proposal_commented,
    AuditType.DECISION_RECORDED: _decision("signed and stored"),
    AuditType.DECISION_APPLIED: _decision("it counts"),
    AuditType.DECISION_REFUSED: _decision_refused,
    AuditType.DECISION_VOIDED: _decision_voided,
    AuditType.DECISION_SUPERSEDED: _decision_superseded,
    AuditType.PROPOSAL_REVISED: _proposal_revised,
    AuditType.LEDGER_POSTED: _ledger_posted,
    AuditType.BUDGET_ALERTED: _budget_alerted,
    AuditType.COST_RECORDED: _cost_recorded,
    AuditType.RATE_CONSUMED: _rate_consumed,
    AuditType.LEASE_TAKEN: _lease_taken,
    AuditType.LEASE_RELEASED: _lease_released,
    AuditType.INTENT_WRITTEN: _intent_written,
    AuditType.EFFECT_ISSUED: _effect_issued,
    AuditType.EFFECT_LATE: _effect_late,
    AuditType.RECEIPT_WRITTEN: _receipt_written,
    AuditType.VERIFICATION_RECORDED: _verification_recorded,
    AuditType.HALT_CREATED: _halt("{who} stopped {scope}: what is under way drains"),
    AuditType.HALT_EFFECTIVE: _halt("The stop of {scope} is effective: nothing it covers is under way"),
    AuditType.HALT_ENDED: _halt("{who} ended the stop of {scope}"),
    AuditType.BREAKER_MOVED: _breaker_moved,
    AuditType.GATE_OVERRIDDEN: _gate_overridden,
    AuditType.BREAK_GLASS_OPENED: _break_glass("{who} asks to break the glass for {scope}"),
    AuditType.BREAK_GLASS_CONFIRMED: _break_glass("{who} confirmed: break-glass for {scope} counts"),
    AuditType.BREAK_GLASS_USED: _break_glass_used,
    AuditType.BREAK_GLASS_ENDED: _break_glass("Break-glass for {scope} is over: a review is due"),
    AuditType.BREAK_GLASS_LAPSED: _break_glass("Break-glass for {scope} lapsed: it never counted"),
    AuditType.BREAK_GLASS_REVIEWED: _break_glass("{who} reviewed the break-glass for {scope}"),
    AuditType.TOKEN_ISSUED: _token_issued,
    AuditType.TOKEN_REVOKED: _token_revoked,
    AuditType.LOGIN_LINK_ISSUED: _login_link_issued,
    AuditType.SESSION_OPENED: _session_opened,
    AuditType.SESSION_CLOSED: _session_closed,
    AuditType.CONFIGURATION_LOADED: _configuration_loaded,
    AuditType.CONFIGURATION_REFUSED: _configuration_refused,
    AuditType.DELEGATION_CREATED: _delegation_created,
    AuditType.DELEGATION_REVOKED: _delegation_revoked,
    AuditType.PROPOSAL_REMINDED: _proposal_reminded,
}
