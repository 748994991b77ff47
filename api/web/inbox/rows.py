"""One line of the inbox, from typed fields only. Pure: a row of `adapters.store.inbox` in, `InboxRow` out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.engine import Row

from api import words
from api.proposals import eligibility
from api.proposals.view import draft_of
from contracts import eligibility as people
from contracts.action import Action, ResizeNodePool
from contracts.decision import DecisionKind
from contracts.delegation import Delegation, covering
from contracts.evaluation import ApprovalRequirement, Outcome, RiskTier
from contracts.observation import NodePoolObservation
from contracts.principal import Principal
from contracts.proposal import Proposal, ProposalState
from contracts.request import Trust

_MOMENT: TypeAdapter[datetime] = TypeAdapter(datetime)

_STANDING = {
    people.NOT_ELIGIBLE_KIND: "only people decide",
    people.NOT_ELIGIBLE_REQUESTER: "you asked for it",
    people.NOT_ELIGIBLE_AUTHOR: "you had a hand in it",
    people.NOT_ELIGIBLE_OWNER: "you answer for its agent",
    people.NOT_ELIGIBLE_DELEGATOR: "whoever you decide for had a hand in it",
    people.NOT_ELIGIBLE_ROLE: "needs another role",
    people.ALREADY_VOTED: "you have voted",
    people.DECISION_LATE: "too late",
}


@dataclass(frozen=True)
class LastVote:
    """The newest decision that stands."""

    reviewer: str
    """Their key."""
    said: str
    """`approved`, `rejected`, `asked for a change`."""
    at: datetime

    @property
    def subject(self) -> str:
        """Their name for people."""
        return words.who(self.reviewer)


@dataclass(frozen=True)
class InboxRow:
    """What one line shows. Words of others are in `requester` and `target` only; the templates make them inert."""

    id: str
    state: ProposalState
    state_since: datetime
    reason_code: str | None
    risk: RiskTier
    action: Action
    change: str
    """From typed values: `6 → 9 nodes`, `1–2 → 1–4 per zone`."""
    environment: str
    is_production: bool
    monthly_delta: Decimal | None
    currency: str
    outcomes: tuple[Outcome, ...]
    """Of every guardrail, worst first."""
    approvals: int
    quorum: int
    last_vote: LastVote | None
    may_decide: bool
    standing: str
    """Why the reader may not decide, in a few words; empty where they may, or nothing is asked."""
    requester: Principal
    is_untrusted: bool
    decide_by: datetime
    execute_by: datetime
    revision: int
    digest: str
    evaluation_digest: str
    is_dry_run: bool

    @property
    def is_waiting(self) -> bool:
        """Whether it still waits for people."""
        return self.state is ProposalState.AWAITING_APPROVAL

    @property
    def href(self) -> str:
        """Its page."""
        return f"/proposals/{self.id}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Where the pool is: project, location and cluster."""
        return (self.action.project, self.action.location, self.action.cluster)

    @property
    def wanted(self) -> str:
        """The desired values: `to 3 per zone`."""
        return _wanted(self.action)


def row_of(
    row: Row[Any], reader: Principal, *, now: datetime, production: bool, lent: Sequence[Delegation] = ()
) -> InboxRow:
    """Return one line as `reader` sees it at `now`."""
    draft = draft_of(row)
    seen = draft.observation if isinstance(draft, Proposal) else None
    votes = sorted(row.votes, key=lambda vote: str(vote["at"]))
    requirement = ApprovalRequirement.model_validate(row.requirement) if row.requirement else None
    state = ProposalState(row.state)
    refused = eligibility.why_not(
        reader,
        state=state,
        authors=draft.authors,
        requirement=requirement,
        voted={vote["reviewer"]: DecisionKind(vote["kind"]) for vote in votes},
        decide_by=row.decide_by,
        now=now,
        lent=covering(lent, row.environment, row.team),
    )
    return InboxRow(
        id=row.id,
        state=state,
        state_since=row.state_since,
        reason_code=row.reason_code,
        risk=RiskTier(row.risk) if row.risk else RiskTier.HIGH,
        action=draft.action,
        change=_change(draft.action, seen),
        environment=row.environment,
        is_production=production,
        monthly_delta=Decimal(row.monthly_delta) if row.monthly_delta is not None else None,
        currency=row.currency or "",
        outcomes=_worst_first(vote["outcome"] for vote in row.verdicts),
        approvals=sum(vote["kind"] == DecisionKind.APPROVE.value for vote in votes),
        quorum=requirement.quorum if requirement else 0,
        last_vote=_last(votes),
        may_decide=refused is None,
        standing=_STANDING.get(refused.code, "") if refused else "",
        requester=draft.requester,
        is_untrusted=draft.trust is Trust.UNTRUSTED,
        decide_by=row.decide_by,
        execute_by=row.execute_by,
        revision=row.revision,
        digest=row.digest or "",
        evaluation_digest=row.evaluation_digest or "",
        is_dry_run=row.dry_run,
    )


def _change(action: Action, seen: NodePoolObservation | None) -> str:
    if isinstance(action, ResizeNodePool) and seen is not None:
        return f"{seen.total_target} → {action.node_count * len(seen.zones)} nodes"
    bounds = seen.autoscaling if seen else None
    if bounds is None or isinstance(action, ResizeNodePool):
        return _wanted(action)
    return f"{bounds.min_node_count}–{bounds.max_node_count} → {_wanted(action).removeprefix('to ')}"


def _wanted(action: Action) -> str:
    if isinstance(action, ResizeNodePool):
        return f"to {action.node_count} per zone"
    return f"to {action.min_node_count}–{action.max_node_count} per zone"


def _worst_first(outcomes: Iterable[str]) -> tuple[Outcome, ...]:
    return tuple(sorted(map(Outcome, outcomes), key=lambda one: -one.severity))


def _last(votes: list[dict[str, Any]]) -> LastVote | None:
    if not votes:
        return None
    vote = votes[-1]
    said = words.voted(DecisionKind(vote["kind"]))
    return LastVote(vote["reviewer"], said, _MOMENT.validate_python(vote["at"]))
