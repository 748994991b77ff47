"""What a person typed and pressed on the proposal page, on its way to the services: names, limits, kept words.

A refused form loses nothing: its words go back into the page. Rules stay in the services; what is checked here is only
that the person saw what they decide on, and typed the target's name where the page asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request
from pydantic import ValidationError

from adapters.store.idempotency import body_digest
from api.bodies import parse_form
from api.idempotency import MAX_KEY, Claim
from api.problems import Problem
from api.proposals.schemas import DecideBody, ProposalView, ResolveBody
from api.web.proposal.standing import is_uninspectable
from contracts.base import canonical_json
from contracts.decision import MAX_REASON, DecisionKind
from contracts.principal import Principal

TYPED_NAME = "typed_name"
REASON = "reason"
_NEED_A_REASON = frozenset({DecisionKind.REJECT, DecisionKind.REQUEST_CHANGE})


@dataclass(frozen=True)
class Kept:
    """A form that was refused: its words, and what is wrong with which field."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    form: str = ""
    """Which form of the page it was: `decision`, `comment`, `cancel`, `undo`, `resolve`."""

    def value(self, form: str, name: str) -> str:
        """Return what stood in a field of a form."""
        return self.values.get(name, "") if form == self.form else ""

    def error(self, form: str, name: str) -> str:
        """Return what is wrong with a field of a form; empty for nothing."""
        return self.errors.get(name, "") if form == self.form else ""


class FieldRefused(Problem):
    """One field of a form is missing or wrong."""

    def __init__(self, name: str, detail: str, code: str = "field_invalid") -> None:
        super().__init__(422, code, detail, errors=[{"field": name, "message": detail}])
        self.field = name


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of a submitted form. Line ends are LF, as everywhere else.

    `api/bodies.py` refused before what two readers could understand differently.
    """
    body = await request.body()
    fields = parse_form(body) if body else []
    return {name: value.replace("\r\n", "\n") for name, value in fields}


def claim_of(request: Request, me: Principal, fields: Mapping[str, str]) -> Claim:
    """Return the claim of a form's hidden key, so that pressing twice is one decision.

    Raises:
        Problem: 422, the form has no usable key.
    """
    key = fields.get("idempotency_key", "")
    if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise Problem(422, "idempotency_key_invalid", "The form came without its key. Reload the page.")
    operation = f"{request.method} {request.url.path}"
    digest = body_digest(canonical_json(dict(fields)), operation=operation)
    return Claim(f"{me.issuer}/{me.subject}", key, digest)


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


def words_in(fields: Mapping[str, str], *, needed: str = "") -> str:
    """Return the text of a form's one text field. `needed` says what to do when it is empty and must not be.

    Raises:
        Problem: 422.
    """
    text = fields.get(REASON, "")
    if needed and not text.strip():
        raise FieldRefused(REASON, needed, "reason_required")
    if len(text) > MAX_REASON:
        raise FieldRefused(REASON, f"At most {MAX_REASON:,} characters; these are {len(text):,}.")
    return text


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
