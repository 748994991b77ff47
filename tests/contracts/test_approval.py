"""The approval as a state machine: votes that change, edits, and what no order of events may break."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts import approval
from contracts.decision import DecisionKind
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import MAX_REVISIONS, TRANSITIONS, ProposalState
from tests.contracts.ballots import CAROL, DECIDE_BY, DECIDED, OLGA, decided, opened, rules
from tests.contracts.samples import AGENT, ANA, BEN, NOON

D, S = DecisionKind, ProposalState
DAN = Principal(kind=PrincipalKind.HUMAN, subject="dan", roles=(Role.APPROVER, Role.REQUESTER))


def after(*votes: tuple[Principal, DecisionKind], quorum: int = 2) -> approval.Ballot:
    ballot = opened(quorum)
    for reviewer, kind in votes:
        answer = approval.decide(ballot, decided(reviewer, kind, 1), NOON)
        assert isinstance(answer, approval.Ballot)
        ballot = answer
    return ballot


@pytest.mark.parametrize(
    ("votes", "approvers"),
    [
        ([(BEN, D.APPROVE), (BEN, D.WITHDRAW)], set()),
        ([(BEN, D.APPROVE), (BEN, D.WITHDRAW), (BEN, D.APPROVE)], {"ben"}),
        ([(BEN, D.APPROVE), (BEN, D.REQUEST_CHANGE)], set()),
        ([(BEN, D.REQUEST_CHANGE), (BEN, D.APPROVE)], {"ben"}),
        ([(BEN, D.APPROVE), (CAROL, D.REQUEST_CHANGE)], set()),
        ([(BEN, D.APPROVE), (CAROL, D.REQUEST_CHANGE), (CAROL, D.WITHDRAW)], set()),
        ([(CAROL, D.REQUEST_CHANGE), (BEN, D.APPROVE)], {"ben"}),
    ],
)
def test_the_newest_decision_of_a_person_counts(
    votes: list[tuple[Principal, DecisionKind]], approvers: set[str]
) -> None:
    ballot = after(*votes)
    assert {one.subject for one in ballot.approvers} == approvers
    assert ballot.state is S.AWAITING_APPROVAL


def test_whoever_approved_may_reject_and_one_who_withdrew_is_not_counted_with_the_next() -> None:
    assert after((BEN, D.APPROVE), (BEN, D.REJECT)).state is S.REJECTED
    assert after((BEN, D.APPROVE), (BEN, D.WITHDRAW), (CAROL, D.APPROVE)).state is S.AWAITING_APPROVAL
    assert after((BEN, D.APPROVE), (BEN, D.WITHDRAW), (CAROL, D.APPROVE), (DAN, D.APPROVE)).state is S.READY


@pytest.mark.parametrize("kind", [D.WITHDRAW, D.REJECT, D.REQUEST_CHANGE, D.APPROVE])
def test_what_is_decided_stays_decided(kind: DecisionKind) -> None:
    ready = after((BEN, D.APPROVE), (CAROL, D.APPROVE))
    assert approval.decide(ready, decided(BEN, kind, 1), NOON) == approval.Refusal("proposal_closed")
    assert approval.expire(ready) == approval.Refusal("not_awaiting_approval")


@pytest.mark.parametrize("state", [S.EXECUTING, S.VERIFYING, S.ROLLING_BACK, S.DIRTY, S.SUCCEEDED])
def test_what_has_begun_to_change_something_is_not_taken_back(state: ProposalState) -> None:
    begun = replace(opened(), state=state)
    assert approval.step(begun, approval.Cancel(), NOON) == approval.Refusal("not_cancellable")


@pytest.mark.parametrize(
    ("editor", "code"),
    [
        (AGENT, "may_not_edit"),
        (DAN.model_copy(update={"roles": (Role.REQUESTER,)}), "may_not_edit"),
        (Principal(kind=PrincipalKind.SERVICE, subject="bot", roles=(Role.OPERATOR,)), "may_not_edit"),
        (ANA, None),
        (BEN, None),
        (OLGA, None),
    ],
)
def test_the_requester_approvers_and_operators_edit_and_no_machine_does(
    editor: Principal, code: str | None
) -> None:
    found = approval.edit(opened(), approval.Edit(editor, "sha256:1"), NOON)
    if code is not None:
        assert found == approval.Refusal(code)
        return
    assert isinstance(found, approval.Ballot)
    assert (found.state, found.revision, found.votes) == (S.EVALUATING, 2, {})
    assert found.authors == ((ANA,) if editor is ANA else (ANA, editor))
    assert found.decide_by == DECIDE_BY


def test_an_edit_of_what_was_not_seen_or_too_often_or_too_late_is_refused() -> None:
    def told(ballot: approval.Ballot, digest: str = "sha256:1", late: timedelta = timedelta(0)) -> str:
        found = approval.edit(ballot, approval.Edit(BEN, digest), NOON + late)
        assert isinstance(found, approval.Refusal)
        return found.reason_code

    assert told(opened(), "sha256:2") == "stale_digest"
    assert told(opened(), late=timedelta(hours=5)) == "decision_late"
    assert told(after((BEN, D.APPROVE), (CAROL, D.APPROVE))) == "not_awaiting_approval"
    assert told(replace(opened(), revision=MAX_REVISIONS)) == "too_many_revisions"


def test_an_editor_of_any_revision_does_not_approve_it() -> None:
    edited = approval.edit(opened(1), approval.Edit(BEN, "sha256:1"), NOON)
    assert isinstance(edited, approval.Ballot)
    asked = approval.judge(edited, approval.Pass(2, S.AWAITING_APPROVAL, rules(2, edited.authors, 1)))
    assert isinstance(asked, approval.Ballot)
    assert approval.decide(asked, decided(BEN, D.APPROVE, 2), NOON) == approval.Refusal("not_eligible_author")
    assert approval.decide(asked, decided(CAROL, D.APPROVE, 1), NOON) == approval.Refusal("stale_revision")
    done = approval.decide(asked, decided(CAROL, D.APPROVE, 2), NOON)
    assert isinstance(done, approval.Ballot)
    assert done.state is S.READY


def test_an_edit_voids_every_vote_before_it() -> None:
    edited = approval.edit(after((BEN, D.APPROVE)), approval.Edit(OLGA, "sha256:1"), NOON)
    assert isinstance(edited, approval.Ballot)
    assert (edited.votes, edited.approvers) == ({}, ())


def test_no_pass_gives_more_time_than_there_was() -> None:
    edited = approval.edit(opened(), approval.Edit(BEN, "sha256:1"), NOON)
    assert isinstance(edited, approval.Ballot)
    generous = rules(2, edited.authors).model_copy(update={"decide_by": DECIDE_BY + timedelta(days=1)})
    found = approval.judge(edited, approval.Pass(2, S.AWAITING_APPROVAL, generous))
    assert isinstance(found, approval.Ballot)
    assert found.rules is not None
    assert found.decide_by == found.rules.decide_by == DECIDE_BY
    hurried = rules(2, edited.authors).model_copy(update={"decide_by": NOON + timedelta(minutes=5)})
    shorter = approval.judge(edited, approval.Pass(2, S.AWAITING_APPROVAL, hurried))
    assert isinstance(shorter, approval.Ballot)
    assert shorter.decide_by == NOON + timedelta(minutes=5)


def test_a_pass_over_another_revision_or_of_what_does_not_wait_for_one_is_refused() -> None:
    edited = approval.edit(opened(), approval.Edit(BEN, "sha256:1"), NOON)
    assert isinstance(edited, approval.Ballot)
    assert approval.judge(edited, approval.Pass(1, S.READY)) == approval.Refusal("stale_revision")
    assert approval.judge(opened(), approval.Pass(1, S.READY)) == approval.Refusal("stale_revision")
    denied = approval.judge(edited, approval.Pass(2, S.DENIED))
    assert isinstance(denied, approval.Ballot)
    assert denied.state is S.DENIED


class Approval(RuleBasedStateMachine):
    """Anything may happen at any time; what must hold is looked at after each."""

    def __init__(self) -> None:
        super().__init__()
        self.ballot = opened()
        self.now = NOON
        self.ended: ProposalState | None = None
        self.truth: dict[str, DecisionKind] = {}

    def step(self, event: approval.Event) -> approval.Ballot | None:
        before = self.ballot
        answer = approval.step(before, event, self.now)
        if isinstance(answer, approval.Refusal):
            return None
        assert answer.state in TRANSITIONS[before.state] | {before.state}
        assert answer.decide_by <= before.decide_by
        assert answer.revision in (before.revision, before.revision + 1)
        self.ballot = answer
        return answer

    @rule(
        who=st.sampled_from([ANA, BEN, CAROL, DAN, OLGA]),
        kind=st.sampled_from(list(DecisionKind)),
        back=st.integers(0, 1),
    )
    def somebody_decides(self, who: Principal, kind: DecisionKind, back: int) -> None:
        revision = max(1, self.ballot.revision - back)
        waiting = self.ballot.state is S.AWAITING_APPROVAL
        authors = self.ballot.authors
        found = self.step(approval.Decide(decided(who, kind, revision)))
        if found is None:
            return
        assert waiting
        assert revision == self.ballot.revision
        assert self.now <= self.ballot.decide_by
        assert Role.APPROVER in who.roles
        assert not any(who.same_as(author) for author in authors)
        if kind is D.REQUEST_CHANGE:
            self.truth.clear()
        assert self.truth.get(who.subject) is not kind
        self.truth[who.subject] = kind

    @rule(who=st.sampled_from([ANA, AGENT, DAN, OLGA]))
    def somebody_edits(self, who: Principal) -> None:
        if self.step(approval.Edit(who, f"sha256:{self.ballot.revision}")) is not None:
            self.truth.clear()

    @precondition(lambda self: self.ballot.state is S.EVALUATING)
    @rule(quorum=st.integers(1, 3), more=st.integers(-60, 60))
    def the_gates_ask(self, quorum: int, more: int) -> None:
        asked = rules(self.ballot.revision, self.ballot.authors, quorum)
        asked = asked.model_copy(update={"decide_by": self.ballot.decide_by + timedelta(minutes=more)})
        self.step(approval.Pass(self.ballot.revision, S.AWAITING_APPROVAL, asked))

    @rule()
    def it_is_cancelled(self) -> None:
        self.step(approval.Cancel())

    @rule(minutes=st.integers(1, 120))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        if self.now > self.ballot.decide_by:
            self.step(approval.Expire())

    @invariant()
    def what_ended_stays_ended(self) -> None:
        if self.ended is not None and self.ballot.state is not self.ended:
            assert (self.ended, self.ballot.state) == (S.READY, S.CANCELLED)
        self.ended = self.ballot.state if self.ballot.state in DECIDED else None

    @invariant()
    def approved_is_what_enough_others_approve(self) -> None:
        agreed = {name for name, kind in self.truth.items() if kind is D.APPROVE}
        assert {one.subject for one in self.ballot.approvers} == agreed
        wanted = approval.requirement_of(self.ballot)
        if self.ballot.state is S.READY:
            assert len(agreed) >= wanted.quorum
        if self.ballot.state is S.AWAITING_APPROVAL and wanted != ApprovalRequirement(quorum=0):
            assert len(agreed) < wanted.quorum

    @invariant()
    def revisions_are_capped(self) -> None:
        assert self.ballot.revision <= MAX_REVISIONS


TestApproval = Approval.TestCase
TestApproval.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
