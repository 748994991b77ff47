"""APPROVAL beside the votes: a person lets one proposal through the windows that close it now, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Row

from adapters.store import overrides
from adapters.store.database import database_now
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem
from api.proposals.closing import locked
from api.proposals.view import Stored
from api.safety.exception_schemas import Overridden, OverrideBody
from contracts.base import new_id
from contracts.eligibility import NOT_ELIGIBLE_OWNER, is_named
from contracts.holds import WINDOW
from contracts.override import GateOverride
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Draft, ProposalState
from guardrails.change_window.decision import closing_windows, override_roles
from guardrails.change_window.timetable import Place, Timetable
from guardrails.facts import WindowFacts, WindowsFacts

_OPEN = (ProposalState.EVALUATING, ProposalState.AWAITING_APPROVAL, ProposalState.READY)


async def override(
    parts: ApiParts, proposal_id: str, body: OverrideBody, person: Principal, claim: Claim
) -> Answer:
    """Override the windows that close the proposal at this moment, for its present revision.

    Raises:
        Problem: 403 not a person, an author, an owner of the agent, or without a role that the windows name; 404; 409
            it executes or is over, or no window closes it now.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        row = await locked(parts, connection, proposal_id)
        now = await database_now(connection)
        draft = Draft.model_validate(row.draft)
        _is_due(row, now)
        _is_somebody_else(parts, person, draft)
        closing = closing_windows(_windows(parts, draft, now).windows)
        _may_override(person, closing)
        given = GateOverride(
            id=new_id("ovr"),
            proposal_id=proposal_id,
            revision=row.revision,
            gate=body.gate,
            windows=tuple(window.name for window in closing),
            actor=person,
            reason=body.reason,
            at=now,
            expires_at=row.execute_by,
        )
        await overrides.record(connection, given, tenant=parts.tenant)
        answer = Overridden(
            proposal_id=proposal_id,
            override_id=given.id,
            windows=given.windows,
            expires_at=given.expires_at,
            state=ProposalState(row.state),
        )
        return await claim.keep(connection, Answer.of(200, answer))


@dataclass(frozen=True)
class Closed:
    """What closes a proposal at this moment."""

    windows: tuple[str, ...]
    opens_at: datetime | None
    """When changes may take place again; None: no opening is in sight."""
    roles: tuple[Role, ...]
    """Who may override all of them: any of these. Empty: nobody."""


def is_held(held_on: str | None) -> bool:
    """Tell whether this is the key of a proposal that waits for a window."""
    return (held_on or "").startswith(WINDOW)


def closed_now(parts: ApiParts, stored: Stored) -> Closed | None:
    """Return what closes a proposal, by the windows as they stand at `stored.now`; None: nothing."""
    windows = _windows(parts, stored.draft, stored.now)
    closing = closing_windows(windows.windows)
    if not closing:
        return None
    return Closed(tuple(one.name for one in closing), windows.opens_at, override_roles(closing))


def may_override(parts: ApiParts, stored: Stored, person: Principal) -> bool:
    """Tell whether this person may try to override what holds a proposal now."""
    if stored.state is not ProposalState.READY or not is_held(stored.row.held_on):
        return False
    try:
        _is_due(stored.row, stored.now)
        _is_somebody_else(parts, person, stored.draft)
        _may_override(person, closing_windows(_windows(parts, stored.draft, stored.now).windows))
    except Problem:
        return False
    return True


def _windows(parts: ApiParts, draft: Draft, now: datetime) -> WindowsFacts:
    return Timetable(parts.configuration.windows).at(Place.of(draft), now)


def _is_due(row: Row[*tuple[object, ...]], now: datetime) -> None:
    state = ProposalState(row.state)
    if state not in _OPEN or now >= row.execute_by:
        raise Problem(409, "not_overridable", f"It is {row.state}: there is nothing left to let through.")


def _is_somebody_else(parts: ApiParts, person: Principal, draft: Draft) -> None:
    if person.kind is not PrincipalKind.HUMAN:
        raise Problem(403, "people_only", "Only people override a window.")
    if any(person.same_as(author) for author in draft.authors):
        raise Problem(403, "not_eligible_author", "Nobody overrides a window for a change of their own.")
    if is_named(person, parts.configuration.owners_of(draft.authors)):
        told = "Nobody overrides a window for an agent that they answer for."
        raise Problem(403, NOT_ELIGIBLE_OWNER, told)


def _may_override(person: Principal, closing: tuple[WindowFacts, ...]) -> None:
    if not closing:
        raise Problem(409, "no_window_closes", "No change window closes this now.")
    allowed, names = override_roles(closing), ", ".join(window.name for window in closing)
    if not allowed:
        raise Problem(403, "window_not_overridable", f"Nobody may override {names}.")
    if set(allowed).isdisjoint(person.roles):
        named = " or ".join(role.value for role in allowed)
        raise Problem(403, "role_required", f"This needs the role {named}.", roles=sorted(allowed))
