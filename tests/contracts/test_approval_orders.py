"""Every order in which five things can happen to a proposal that waits comes to exactly one legal end."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from contracts import approval, eligibility
from contracts.decision import DecisionKind, SignedDecision
from contracts.proposal import TRANSITIONS, ProposalState
from contracts.signature import is_signed_by
from tests.contracts.ballots import DECIDE_BY, DECIDED, OLGA, Happening, Story, ends_as, opened

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


def test_a_vote_that_comes_after_the_time_counts_for_nothing() -> None:
    story = Story(opened(quorum=1))
    story.now = DECIDE_BY.replace(minute=1)
    assert story.happens(Happening.APPROVE) == approval.Refusal("decision_late")
    assert story.happens(Happening.EDIT) == approval.Refusal("decision_late")
    assert story.ballot.votes == {}


def test_all_kinds_of_decisions_are_known_to_the_state_machine() -> None:
    assert set(DecisionKind) == {"approve", "reject", "request_change", "withdraw"}
