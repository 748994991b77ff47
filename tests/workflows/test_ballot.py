"""What the workflow's validator lets through, judged without a server: who sends a message is never believed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.exceptions import ApplicationError

from contracts.decision import DecisionKind, SignedDecision
from contracts.messages import ProposalInput
from contracts.signature import encode_public_key, key_id_of, sign
from tests.contracts.ballots import CAROL, DECIDE_BY, KEYS, decided, rules
from tests.contracts.samples import ANA, BEN, NOON
from workflows.ballot import Ballot, parse

FOREIGN = Ed25519PrivateKey.from_private_bytes(bytes(reversed(range(32))))
FOREIGN_KEYS = {key_id_of(FOREIGN.public_key()): encode_public_key(FOREIGN.public_key())}


def ballot(*, open_at: int | None = 1) -> Ballot:
    made = Ballot(
        ProposalInput(
            proposal_id="prp_1",
            tenant="default",
            revision=1,
            action_kind="gke.node_pool.resize",
            target_key="gke.node_pool/acme-prod",
            requester="local/ana",
            summary="resize",
            public_keys=KEYS,
        )
    )
    if open_at is not None:
        made.open(rules(open_at, (ANA,)))
    return made


def changed(**changes: object) -> SignedDecision:
    """A decision with other content under the signature of ours."""
    signed = decided(BEN, DecisionKind.APPROVE, 1)
    return signed.model_copy(update={"decision": signed.decision.model_copy(update=changes)})


def foreign() -> SignedDecision:
    decision = decided(BEN, DecisionKind.APPROVE, 1).decision
    return sign(decision.model_copy(update={"key_id": key_id_of(FOREIGN.public_key())}), FOREIGN)


def refused(ask: Ballot, signed: SignedDecision, *, late: timedelta = timedelta(0)) -> str | None:
    with pytest.raises(ApplicationError) as refusal:
        ask.check(signed, NOON + late)
    assert refusal.value.non_retryable
    return refusal.value.type


def test_a_valid_decision_goes_through() -> None:
    ballot().check(decided(BEN, DecisionKind.APPROVE, 1), NOON)
    ballot().authenticate(decided(BEN, DecisionKind.APPROVE, 1))


def test_before_the_first_pass_nobody_decides() -> None:
    asked = ballot(open_at=None)
    assert refused(asked, decided(BEN, DecisionKind.APPROVE, 1)) == "proposal_closed"
    assert asked.decide_by is None


def test_what_does_not_count_is_refused_with_its_reason() -> None:
    assert refused(ballot(), decided(ANA, DecisionKind.APPROVE, 1)) == "not_eligible_requester"
    assert refused(ballot(), decided(BEN, DecisionKind.APPROVE, 2)) == "stale_revision"
    late = DECIDE_BY - NOON + timedelta(seconds=1)
    assert refused(ballot(), decided(BEN, DecisionKind.APPROVE, 1), late=late) == "decision_late"
    assert refused(ballot(), changed(reason="another")) == "bad_signature"


def test_only_the_keys_of_the_workflows_own_input_count() -> None:
    """Rules come out of an activity: keys in them, or none, are not what a signature is checked with."""
    asked = ballot(open_at=None)
    asked.open(rules(1, (ANA,)).model_copy(update={"public_keys": FOREIGN_KEYS}))
    assert refused(asked, foreign()) == "bad_signature"
    asked.check(decided(BEN, DecisionKind.APPROVE, 1), NOON)


@pytest.mark.parametrize(
    ("signed", "code"),
    [
        (foreign(), "bad_signature"),
        (changed(reason="another"), "bad_signature"),
        (changed(proposal_id="prp_2"), "stale_digest"),
        (changed(tenant="another"), "stale_digest"),
    ],
    ids=["signed by another", "changed", "of another proposal", "of another tenant"],
)
def test_while_a_pass_runs_only_what_is_signed_for_this_proposal_may_wait(
    signed: SignedDecision, code: str
) -> None:
    with pytest.raises(ApplicationError) as refusal:
        ballot(open_at=None).authenticate(signed)
    assert refusal.value.type == code


def test_a_vote_taken_is_known_and_the_next_of_the_same_person_replaces_it() -> None:
    asked, first = ballot(), decided(BEN, DecisionKind.APPROVE, 1)
    assert not asked.knows(first)
    asked.take(first)
    assert asked.knows(first)
    assert not asked.replaces(first)
    assert asked.repeats(first) == "already_voted"
    second = decided(BEN, DecisionKind.WITHDRAW, 1)
    assert asked.replaces(second)
    asked.check(second, NOON)
    asked.check(decided(CAROL, DecisionKind.APPROVE, 1), NOON)


def test_a_new_revision_begins_without_votes_and_another_pass_keeps_them() -> None:
    asked = ballot()
    asked.take(decided(BEN, DecisionKind.APPROVE, 1))
    asked.open(rules(1, (ANA,), quorum=3))
    assert asked.repeats(decided(BEN, DecisionKind.APPROVE, 1)) == "already_voted"
    asked.open(rules(2, (ANA,)))
    assert asked.repeats(decided(BEN, DecisionKind.APPROVE, 2)) is None


def test_whether_a_decision_repeats_one_is_not_for_the_workflow_to_say() -> None:
    asked, first = ballot(), decided(BEN, DecisionKind.APPROVE, 1)
    asked.take(first)
    asked.check(first, NOON)
    asked.check(decided(CAROL, DecisionKind.WITHDRAW, 1), NOON)


@pytest.mark.parametrize("parts", [(), ({}, {}), ({},), ("text",), (None,)])
def test_a_message_that_is_no_decision_is_malformed(parts: tuple[object, ...]) -> None:
    with pytest.raises(ApplicationError) as refusal:
        parse(parts)
    assert refusal.value.type == "malformed_decision"


def test_two_decisions_in_one_message_are_none() -> None:
    one = decided(BEN, DecisionKind.APPROVE, 1).model_dump(mode="json")
    assert parse((one,)).decision.id == one["decision"]["id"]
    with pytest.raises(ApplicationError) as refusal:
        parse((one, one))
    assert refusal.value.type == "malformed_decision"
