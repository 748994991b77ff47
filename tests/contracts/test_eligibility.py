"""Who may decide, and whether a signed decision counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.decision import Decision, DecisionKind, DecisionRules, SignedDecision
from contracts.eligibility import decision_refusal, is_met, reviewer_refusal, voter
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind, Role
from contracts.signature import encode_public_key, key_id_of, sign
from tests.contracts.samples import AGENT, ANA, BEN, NOON

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ONE = ApprovalRequirement(quorum=1)
BOTH = ApprovalRequirement(quorum=2, roles=(Role.APPROVER, Role.OPERATOR))
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))
RULES = DecisionRules(
    proposal_digest="sha256:d",
    revision=2,
    decide_by=NOON,
    authors=(ANA, AGENT),
    requirement=ONE,
    public_keys={key_id_of(KEY.public_key()): encode_public_key(KEY.public_key())},
)


def decided(**changes: object) -> SignedDecision:
    fields: dict[str, object] = {
        "id": "dec_1",
        "tenant": "default",
        "proposal_id": "prp_1",
        "revision": 2,
        "kind": DecisionKind.APPROVE,
        "reviewer": BEN,
        "proposal_digest": "sha256:d",
        "evaluation_digest": "sha256:e",
        "at": NOON,
        "key_id": key_id_of(KEY.public_key()),
    }
    return sign(Decision.model_validate(fields | changes), KEY)


def why(
    signed: SignedDecision, *, late: timedelta = timedelta(0), standing: DecisionKind | None = None
) -> str | None:
    votes = {} if standing is None else {voter(BEN): standing}
    return decision_refusal(
        signed, RULES, tenant="default", proposal_id="prp_1", now=NOON + late, standing=votes
    )


def test_a_timely_signed_decision_of_an_approver_counts() -> None:
    assert why(decided()) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tenant": "other"}, "stale_digest"),
        ({"proposal_id": "prp_2"}, "stale_digest"),
        ({"revision": 1}, "stale_revision"),
        ({"proposal_digest": "sha256:other"}, "stale_digest"),
        ({"at": NOON + timedelta(seconds=1)}, "decision_late"),
        ({"key_id": "unknown"}, "bad_signature"),
        ({"reviewer": AGENT}, "not_eligible_kind"),
        ({"reviewer": ANA}, "not_eligible_requester"),
    ],
)
def test_what_does_not_count_says_why(changes: dict[str, object], code: str) -> None:
    assert why(decided(**changes)) == code


def test_the_last_moment_is_in_time_and_the_next_is_not() -> None:
    assert why(decided(), late=timedelta(microseconds=1)) == "decision_late"


def test_a_changed_word_breaks_the_signature() -> None:
    signed = decided()
    changed = signed.decision.model_copy(update={"reason": "changed"})
    assert why(signed.model_copy(update={"decision": changed})) == "bad_signature"


def test_one_person_has_one_vote_whatever_their_roles_are_by_now() -> None:
    promoted = BEN.model_copy(update={"roles": (Role.APPROVER, Role.ADMIN)})
    assert why(decided(reviewer=promoted), standing=DecisionKind.APPROVE) == "already_voted"


@pytest.mark.parametrize("standing", [None, *DecisionKind])
@pytest.mark.parametrize("kind", list(DecisionKind))
def test_another_decision_replaces_what_stands_and_the_same_one_again_is_none(
    kind: DecisionKind, standing: DecisionKind | None
) -> None:
    wanted = None
    if kind is standing:
        wanted = "already_voted"
    elif kind is DecisionKind.WITHDRAW and standing is None:
        wanted = "nothing_to_withdraw"
    assert why(decided(kind=kind), standing=standing) == wanted


def test_people_of_one_name_at_two_issuers_are_two() -> None:
    elsewhere = BEN.model_copy(update={"issuer": "https://sso.example"})
    assert is_met(ApprovalRequirement(quorum=2), [BEN, elsewhere])
    assert not is_met(ApprovalRequirement(quorum=2), [BEN, BEN])
    assert voter(elsewhere) != voter(BEN)


def test_an_author_of_any_revision_may_not_decide() -> None:
    assert reviewer_refusal(BEN, (ANA, BEN), ONE) == "not_eligible_author"


def test_one_of_the_asked_roles_is_enough_to_vote() -> None:
    assert reviewer_refusal(OLGA, (ANA,), BOTH) is None
    assert reviewer_refusal(OLGA, (ANA,), ONE) == "not_eligible_role"


def test_the_quorum_counts_people_and_every_asked_role_is_among_them() -> None:
    carol = BEN.model_copy(update={"subject": "carol"})
    assert is_met(BOTH, [BEN, OLGA])
    assert not is_met(BOTH, [BEN, carol])
    assert not is_met(BOTH, [BEN])
    assert not is_met(ApprovalRequirement(quorum=2), [BEN, BEN])
    promoted = BEN.model_copy(update={"roles": (Role.OPERATOR, Role.APPROVER)})
    assert not is_met(ApprovalRequirement(quorum=2), [BEN, promoted])
    assert is_met(ApprovalRequirement(quorum=0), [])


FINANCE = BEN.model_copy(update={"subject": "fay", "groups": ("finance",)})


def test_every_asked_group_is_among_the_approvers_whatever_the_quorum() -> None:
    asked = ApprovalRequirement(quorum=2, groups=("finance",))
    assert is_met(asked, [BEN, FINANCE])
    assert not is_met(asked, [BEN, OLGA.model_copy(update={"roles": (Role.APPROVER,)})])
    assert not is_met(ApprovalRequirement(quorum=0, groups=("finance",)), [])
    assert not is_met(ApprovalRequirement(quorum=1, groups=("finance", "legal")), [FINANCE])


def test_a_group_replaces_no_role_and_keeps_nobody_from_saying_no() -> None:
    asked = ApprovalRequirement(quorum=1, groups=("finance",))
    outsider = FINANCE.model_copy(update={"roles": (Role.VIEWER,)})
    assert reviewer_refusal(outsider, (ANA,), asked) == "not_eligible_role"
    assert reviewer_refusal(BEN, (ANA,), asked) is None
    assert asked.covers(ONE)
    assert not ONE.covers(asked)


@pytest.mark.parametrize("excluded", ["local/ben", "ben", "platform"])
def test_the_owner_of_an_agent_that_had_a_hand_in_it_does_not_decide(excluded: str) -> None:
    asked = ApprovalRequirement(quorum=1, excluded=(excluded,))
    ben = BEN.model_copy(update={"groups": ("platform",)})
    assert reviewer_refusal(ben, (ANA, AGENT), asked) == "not_eligible_owner"
    assert not is_met(asked, [ben])
    assert is_met(asked, [FINANCE])
    assert asked.covers(ONE)
    assert not ONE.covers(asked)
