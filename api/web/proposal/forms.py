"""What a person typed and pressed on the proposal page, as the bodies that the services take.

Rules stay in the services; what is checked here is only that the person saw what they decide on, and typed the
target's name where the page asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from api.problems import Problem
from api.proposals.schemas import DecideBody, ProposalView, ResolveBody, ReviseBody
from api.safety.exception_schemas import OverrideBody
from api.web.forms import REASON, FieldRefused, Kept, words_in
from api.web.proposal.standing import is_uninspectable
from api.web.proposal.why import EDITABLE
from contracts.decision import MAX_REASON, DecisionKind
from contracts.override import overrides_a_window

TYPED_NAME = "typed_name"
_MOST_DIGITS = 6
_NEED_A_REASON = frozenset({DecisionKind.REJECT, DecisionKind.REQUEST_CHANGE})


def decision_of(fields: Mapping[str, str], view: ProposalView) -> DecideBody:
    """Return the decision of a submitted form on what its reader saw.

    Raises:
        Problem: 422, the form lacks what was shown, a reason or the typed name; 409, nobody can inspect it.
    """
    shown = [fields.get(name, "") for name in ("revision", "digest", "evaluation_digest")]
    if not all(shown):
        told = "The form does not say what you saw, so it decides nothing. Look at the facts, then decide."
        raise Problem(422, "facts_not_shown", told)
    kind = _kind(fields.get("decision", ""))
    if kind is DecisionKind.APPROVE:
        _check_approval(fields, view)
    if kind in _NEED_A_REASON and not fields.get(REASON, "").strip():
        raise FieldRefused(REASON, "Say why, so that the requester can learn from it.", "reason_required")
    return _decide_body(fields)


def _kind(said: str) -> DecisionKind:
    try:
        return DecisionKind(said)
    except ValueError as error:
        raise Problem(422, "decision_missing", "Choose approve, reject or request a change.") from error


def _check_approval(fields: Mapping[str, str], view: ProposalView) -> None:
    if is_uninspectable(view):
        raise Problem(409, "uninspectable", "Facts are missing, so nobody can approve this.")
    if needs_typed_name(view) and fields.get(TYPED_NAME, "").strip() != typed_name_of(view):
        told = f"Type {typed_name_of(view)} exactly, to show that this is the target you mean."
        raise FieldRefused(TYPED_NAME, told, "name_differs")
    if overrides_a_window(view.verdicts) and not fields.get(REASON, "").strip():
        told = "Say why it cannot wait: approving it overrides a closed change window."
        raise FieldRefused(REASON, told, "reason_required")


def _decide_body(fields: Mapping[str, str]) -> DecideBody:
    names = ("decision", "revision", "digest", "evaluation_digest", REASON)
    given = {name: fields.get(name, "") for name in names}
    try:
        return DecideBody.model_validate(given | {"reason_name": fields.get("reason_name") or None})
    except ValidationError as error:
        raise _refused(error) from error


def resolution_of(fields: Mapping[str, str]) -> ResolveBody:
    """Return what an operator found out.

    Raises:
        Problem: 422, the outcome or the reason is missing.
    """
    if not fields.get("outcome"):
        raise FieldRefused("outcome", "Say how you found the target.")
    if not fields.get(REASON, "").strip():
        raise FieldRefused(REASON, "Say what you saw and did. It stays in the audit log.", "reason_required")
    try:
        return ResolveBody.model_validate({"outcome": fields["outcome"], "reason": fields[REASON]})
    except ValidationError as error:
        raise _refused(error) from error


def edit_of(fields: Mapping[str, str]) -> ReviseBody:
    """Return the new numbers of a submitted form, for the revision that its reader saw.

    Raises:
        Problem: 422, the form does not say what was shown, or a number or the reason is missing.
    """
    if not fields.get("digest"):
        raise Problem(422, "facts_not_shown", "The form does not say what you saw. Look again, then edit.")
    numbers = {name: _number(name, fields[name]) for name in EDITABLE if name in fields}
    if not numbers:
        raise Problem(422, "edit_invalid", "The form names no size.")
    given = {
        "digest": fields["digest"],
        "fields": numbers,
        "reason": words_in(fields, needed="Say why, so that whoever approves knows."),
        "reason_name": fields.get("reason_name") or None,
    }
    try:
        return ReviseBody.model_validate(given)
    except ValidationError as error:
        raise _refused(error) from error


def _number(name: str, said: str) -> int:
    if not (said.isascii() and said.isdigit() and len(said) <= _MOST_DIGITS):
        raise FieldRefused(name, "Give a whole number of nodes.", "edit_invalid")
    return int(said)


def prefilled(numbers: Mapping[str, int | None]) -> Kept:
    """Return the edit with the numbers that a link proposes; nothing is kept where it names none."""
    named = {name: str(value) for name, value in numbers.items() if value is not None}
    return Kept(named, {}, "edit") if named else Kept()


def override_of(fields: Mapping[str, str]) -> OverrideBody:
    """Return why a proposal is let through the windows that close it.

    Raises:
        Problem: 422, the reason is missing.
    """
    reason = words_in(fields, needed="Say why it cannot wait. It stays in the audit log.")
    return OverrideBody(gate="change_window", reason=reason)


def _refused(error: ValidationError) -> Problem:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if name == REASON:
        return FieldRefused(REASON, f"At most {MAX_REASON:,} characters.")
    return FieldRefused(name, "The form holds something this page did not offer. Reload it and try again.")


def needs_typed_name(view: ProposalView) -> bool:
    """Tell whether an approval asks to type the target's name: production, or no single call takes it back."""
    return view.is_production or view.blast_radius is None or not view.blast_radius.reversible


def typed_name_of(view: ProposalView) -> str:
    """Return what has to be typed: `project/location/cluster/node_pool`."""
    action = view.action
    return f"{action.project}/{action.location}/{action.cluster}/{action.node_pool}"
