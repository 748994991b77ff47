"""APPROVAL beside the votes: a person lets one proposal through the windows that close it now, with a reason."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Row

from adapters.store import overrides
from adapters.store.database import database_now
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem
from api.proposals.closing import locked
from api.safety.exception_schemas import Overridden, OverrideBody
from contracts.base import new_id
from contracts.override import GateOverride
from contracts.principal import Principal, PrincipalKind
from contracts.proposal import Draft, ProposalState
from guardrails.change_window.decision import closing_windows, override_roles
from guardrails.change_window.timetable import Place, Timetable
from guardrails.facts import WindowFacts

_OPEN = (ProposalState.EVALUATING, ProposalState.AWAITING_APPROVAL, ProposalState.READY)


async def override(
    parts: ApiParts, proposal_id: str, body: OverrideBody, person: Principal, claim: Claim
) -> Answer:
    """Override the windows that close the proposal at this moment, for its present revision.

    Raises:
        Problem: 403 not a person, an author, or without a role that the windows name; 404; 409 it executes or is
            over, or no window closes it now.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        row = await locked(parts, connection, proposal_id)
        now = await database_now(connection)
        draft = Draft.model_validate(row.draft)
        _is_due(row, now)
        _is_somebody_else(person, draft)
        closing = closing_windows(Timetable(parts.configuration.windows).at(Place.of(draft), now).windows)
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


def _is_due(row: Row[*tuple[object, ...]], now: datetime) -> None:
    state = ProposalState(row.state)
    if state not in _OPEN or now >= row.execute_by:
        raise Problem(409, "not_overridable", f"It is {row.state}: there is nothing left to let through.")


def _is_somebody_else(person: Principal, draft: Draft) -> None:
    if person.kind is not PrincipalKind.HUMAN:
        raise Problem(403, "people_only", "Only people override a window.")
    if any(person.same_as(author) for author in draft.authors):
        raise Problem(403, "not_eligible_author", "Nobody overrides a window for a change of their own.")


def _may_override(person: Principal, closing: tuple[WindowFacts, ...]) -> None:
    if not closing:
        raise Problem(409, "no_window_closes", "No change window closes this now.")
    allowed, names = override_roles(closing), ", ".join(window.name for window in closing)
    if not allowed:
        raise Problem(403, "window_not_overridable", f"Nobody may override {names}.")
    if set(allowed).isdisjoint(person.roles):
        named = " or ".join(role.value for role in allowed)
        raise Problem(403, "role_required", f"This needs the role {named}.", roles=sorted(allowed))
