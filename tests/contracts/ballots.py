"""A vote on one proposal and what may happen to it, for tests and proofs of the approval's state machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import approval
from contracts.decision import Decision, DecisionKind, DecisionRules, SignedDecision
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import ProposalState
from contracts.signature import encode_public_key, key_id_of, sign
from tests.contracts.samples import ANA, BEN, NOON

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {key_id_of(KEY.public_key()): encode_public_key(KEY.public_key())}
CAROL = Principal(kind=PrincipalKind.HUMAN, subject="carol", roles=(Role.APPROVER,))
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))
DECIDE_BY = NOON + timedelta(hours=4)
QUORUM = 2
DECIDED = frozenset(
    {ProposalState.READY, ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.CANCELLED}
)
"""Where an approval ends: `ready` is approved, and goes on to its effect."""


class Happening(StrEnum):
    """What people and time do to a proposal that waits."""

    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    CANCEL = "cancel"
    DUPLICATE = "duplicate"
    EDIT = "edit"
    SECOND_APPROVER = "second_approver"


def rules(revision: int, authors: tuple[Principal, ...], quorum: int = QUORUM) -> DecisionRules:
    return DecisionRules(
        proposal_digest=f"sha256:{revision}",
        revision=revision,
        decide_by=DECIDE_BY,
        authors=authors,
        requirement=ApprovalRequirement(quorum=quorum),
        public_keys=KEYS,
    )


def opened(quorum: int = QUORUM) -> approval.Ballot:
    return approval.Ballot(
        tenant="default",
        proposal_id="prp_1",
        state=ProposalState.AWAITING_APPROVAL,
        revision=1,
        authors=(ANA,),
        decide_by=DECIDE_BY,
        rules=rules(1, (ANA,), quorum),
    )


_SIGNED: dict[tuple[str, str, int, datetime], SignedDecision] = {}


def decided(reviewer: Principal, kind: DecisionKind, revision: int, at: datetime = NOON) -> SignedDecision:
    """Return a signed decision. Signing is slow, so that equal ones are signed once."""
    key = (reviewer.subject, kind.value, revision, at)
    if key not in _SIGNED:
        decision = Decision(
            id=f"dec_{len(_SIGNED)}",
            tenant="default",
            proposal_id="prp_1",
            revision=revision,
            kind=kind,
            reviewer=reviewer,
            proposal_digest=f"sha256:{revision}",
            evaluation_digest="sha256:seen",
            at=at,
            key_id=next(iter(KEYS)),
        )
        _SIGNED[key] = sign(decision, KEY)
    return _SIGNED[key]


@dataclass
class Story:
    """Drives the state machine by one event after the other, as API, workflow and activities do."""

    ballot: approval.Ballot
    now: datetime = NOON
    last: SignedDecision | None = None

    def happens(self, what: Happening) -> approval.Ballot | approval.Refusal:
        """Let one thing happen; what is refused changes nothing. An edit is judged by the gates at once."""
        before = self.ballot
        answer = approval.step(before, self._event(what), self.now)
        if isinstance(answer, approval.Ballot):
            self.ballot = answer
            if answer.state is ProposalState.EVALUATING:
                asked = approval.Pass(
                    answer.revision,
                    ProposalState.AWAITING_APPROVAL,
                    rules(answer.revision, answer.authors),
                )
                judged = approval.step(answer, asked, self.now)
                assert isinstance(judged, approval.Ballot)
                self.ballot = judged
        return answer

    def _event(self, what: Happening) -> approval.Event:
        match what:
            case Happening.EXPIRE:
                self.now = max(self.now, DECIDE_BY + timedelta(seconds=1))
                return approval.Expire()
            case Happening.CANCEL:
                return approval.Cancel()
            case Happening.EDIT:
                return approval.Edit(editor=OLGA, proposal_digest=f"sha256:{self.ballot.revision}")
            case Happening.DUPLICATE if self.last is not None:
                return approval.Decide(self.last)
        reviewer = CAROL if what is Happening.SECOND_APPROVER else BEN
        kind = DecisionKind.REJECT if what is Happening.REJECT else DecisionKind.APPROVE
        self.last = decided(reviewer, kind, self.ballot.revision)
        return approval.Decide(self.last)


@dataclass
class Model:
    """The same told in sets and words, with nothing of the state machine in it."""

    end: ProposalState = ProposalState.EXPIRED
    is_over: bool = False
    revision: int = 1
    approvals: set[str] = field(default_factory=set)
    last: tuple[str, bool, int] | None = None
    """Who decided last, whether for it, on which revision."""

    def happens(self, what: Happening) -> None:
        if what is Happening.CANCEL and (not self.is_over or self.end is ProposalState.READY):
            self.end, self.is_over = ProposalState.CANCELLED, True
        elif what is Happening.EXPIRE:
            self.is_over = True
        elif what is Happening.EDIT and not self.is_over and self.revision < 5:
            self.revision += 1
            self.approvals.clear()
        elif what in VOTES:
            if what is not Happening.DUPLICATE or self.last is None:
                self.last = (*VOTES[what], self.revision)
            self.votes(*self.last)

    def votes(self, who: str, is_for: bool, revision: int) -> None:
        if self.is_over or revision != self.revision:
            return
        if not is_for:
            self.end, self.is_over = ProposalState.REJECTED, True
            return
        self.approvals.add(who)
        if len(self.approvals) == 2:
            self.end, self.is_over = ProposalState.READY, True


VOTES = {
    Happening.APPROVE: ("ben", True),
    Happening.REJECT: ("ben", False),
    Happening.DUPLICATE: ("ben", True),
    Happening.SECOND_APPROVER: ("carol", True),
}


def ends_as(order: tuple[Happening, ...]) -> ProposalState:
    model = Model()
    for what in order:
        model.happens(what)
    return model.end
