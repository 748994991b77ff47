"""Every order in which five things can happen to a proposal that waits comes to exactly one legal end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import pytest

from contracts import approval, eligibility
from contracts.decision import DecisionKind, SignedDecision
from contracts.proposal import TRANSITIONS, ProposalState
from contracts.signature import is_signed_by
from tests.contracts.ballots import DECIDE_BY, DECIDED, OLGA, Happening, Story, opened

LENGTH = 5


@pytest.fixture
def signatures_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same signature is valid each time; checking it 100,000 times would say no more, and take minutes."""
    known: dict[str, bool] = {}

    def once(signed: SignedDecision, keys: dict[str, str]) -> bool:
        if signed.signature not in known:
            known[signed.signature] = is_signed_by(signed, keys)
        return known[signed.signature]

    monkeypatch.setattr(eligibility, "is_signed_by", once)


def followed(story: Story, what: Happening) -> None:
    """Let it happen, and hold what must hold after every single step."""
    before = story.ballot
    answer = story.happens(what)
    after = story.ballot
    assert after.decide_by <= before.decide_by
    if isinstance(answer, approval.Refusal):
        assert answer.reason_code
        assert after is before
        return
    assert answer.state in TRANSITIONS[before.state] | {before.state}
    if before.state in DECIDED:
        # What is decided stays so, but for what was approved and is taken back before it acts.
        assert (before.state, answer.state) == (ProposalState.READY, ProposalState.CANCELLED)
    if answer.state is ProposalState.READY:
        approvers = {voter.subject for voter in answer.approvers}
        assert approvers == {"ben", "carol"}
        assert not any(one.same_as(author) for one in answer.approvers for author in answer.authors)
    if what is Happening.EDIT:
        assert not after.votes
        assert OLGA in after.authors


@pytest.mark.usefixtures("signatures_checked_once")
def test_each_of_the_16807_orders_ends_in_exactly_one_legal_state() -> None:
    ends: Counter[ProposalState] = Counter()
    for order in product(Happening, repeat=LENGTH):
        story = Story(opened())
        for what in (*order, Happening.EXPIRE):
            followed(story, what)
        assert story.ballot.state in DECIDED, order
        assert ends_as(order) is story.ballot.state, order
        ends[story.ballot.state] += 1
    assert sum(ends.values()) == len(Happening) ** LENGTH == 16_807
    assert set(ends) == DECIDED


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


def test_a_vote_that_comes_after_the_time_counts_for_nothing() -> None:
    story = Story(opened(quorum=1))
    story.now = DECIDE_BY.replace(minute=1)
    assert story.happens(Happening.APPROVE) == approval.Refusal("decision_late")
    assert story.happens(Happening.EDIT) == approval.Refusal("decision_late")
    assert story.ballot.votes == {}


def test_all_kinds_of_decisions_are_known_to_the_state_machine() -> None:
    assert set(DecisionKind) == {"approve", "reject", "request_change", "withdraw"}
