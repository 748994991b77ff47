"""What a person can do on the proposal page now. The services judge again; this keeps hopeless forms off the page."""

from __future__ import annotations

from dataclasses import dataclass

from api.parts import ApiParts
from api.proposals import overriding, revising
from api.proposals.overriding import Closed
from api.proposals.schemas import Away, ProposalView, Vote
from api.proposals.view import Stored
from api.web.proposal import standing
from contracts.decision import DecisionKind
from contracts.effect import ReceiptOutcome
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import ProposalState


@dataclass(frozen=True)
class Doing:
    """Which of the page's actions this person has."""

    decide: bool
    approve: bool
    """False where the facts cannot be inspected."""
    kinds: tuple[DecisionKind, ...]
    """Decisions they may take now. With a vote that stands: the others, and taking it back."""
    cancel: bool
    undo: bool
    resolve: bool
    comment: bool
    edit: bool
    override: bool
    ask: bool
    """Whether they may ask for another change."""

    @property
    def revote(self) -> bool:
        """Whether they have decided, and may decide otherwise."""
        return bool(self.kinds) and not self.decide


def doing_of(parts: ApiParts, stored: Stored, view: ProposalView, me: Principal) -> Doing:
    """Return which actions to offer."""
    is_requester = (view.requester.issuer, view.requester.subject) == (me.issuer, me.subject)
    may_ask = not {Role.REQUESTER, Role.OPERATOR}.isdisjoint(me.roles)
    kinds = view.eligibility.open_to
    return Doing(
        decide=view.eligibility.may_decide,
        approve=view.eligibility.may_decide and not standing.is_uninspectable(view),
        kinds=kinds,
        cancel=view.state.precedes_execution and (Role.OPERATOR in me.roles or (is_requester and may_ask)),
        undo=may_ask and _can_be_undone(view),
        resolve=view.state is ProposalState.DIRTY and Role.OPERATOR in me.roles,
        comment=me.kind is PrincipalKind.HUMAN,
        edit=revising.refusal(stored, me) is None,
        override=overriding.may_override(parts, stored, me),
        ask=Role.REQUESTER in me.roles,
    )


def _can_be_undone(view: ProposalView) -> bool:
    applied = view.receipt is not None and view.receipt.outcome is ReceiptOutcome.APPLIED
    is_done = view.state is ProposalState.SUCCEEDED and applied
    return is_done and view.blast_radius is not None and view.blast_radius.reversible


def vote_of(view: ProposalView, me: Principal) -> Vote | None:
    """Return the decision of this person that stands on this revision."""
    mine = [
        one
        for one in view.approvals
        if (one.reviewer.issuer, one.reviewer.subject) == (me.issuer, me.subject)
        and one.revision == view.revision
        and one.stands
    ]
    return mine[-1] if mine and mine[-1].decision is not DecisionKind.WITHDRAW else None


def lenders(view: ProposalView, me: Principal) -> tuple[Away, ...]:
    """Return those who let this person decide in their place for now."""
    away = view.who_can_decide.away if view.who_can_decide else ()
    return tuple(
        one for one in away if (one.delegate.issuer, one.delegate.subject) == (me.issuer, me.subject)
    )


def closed_for(parts: ApiParts, stored: Stored) -> Closed | None:
    """Return what closes a proposal that is held on its change windows; None where nothing does."""
    is_held = stored.state is ProposalState.READY and overriding.is_held(stored.row.held_on)
    return overriding.closed_now(parts, stored) if is_held else None
