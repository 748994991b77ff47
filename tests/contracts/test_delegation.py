"""What is lent, and that a borrowed vote is judged by the rules for both people, wherever it is checked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from contracts import eligibility
from contracts.decision import Decision, DecisionKind, DecisionRules
from contracts.delegation import (
    MAX_DELEGATION,
    Acting,
    Delegation,
    DelegationScope,
    acting,
    as_held,
    covering,
    widened,
)
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind, Role
from contracts.signature import encode_public_key, key_id_of, sign
from tests.contracts.samples import AGENT, ANA, BEN, NOON

KEY = Ed25519PrivateKey.generate()
VERA = Principal(kind=PrincipalKind.HUMAN, subject="vera", roles=(Role.VIEWER,))
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,), groups=("sre",))
ONE = ApprovalRequirement(quorum=1)
BOTH = ApprovalRequirement(quorum=1, roles=(Role.APPROVER, Role.OPERATOR), groups=("sre",))


def lent(by: Principal, to: Principal = VERA, **changes: object) -> Delegation:
    fields: dict[str, object] = {
        "id": f"dlg_{by.subject}",
        "tenant": "default",
        "delegator": by,
        "delegate": to,
        "starts_at": NOON,
        "until": NOON + timedelta(days=1),
        "reason": "away",
        "created_by": by,
    }
    return Delegation.model_validate(fields | changes)


def test_only_what_is_asked_for_is_lent() -> None:
    rich = BEN.model_copy(update={"roles": (Role.APPROVER, Role.ADMIN), "groups": ("sre", "finance")})
    found = acting(VERA, [lent(rich)], (ANA,), BOTH)
    assert (found.reviewer.roles, found.reviewer.groups) == ((Role.VIEWER, Role.APPROVER), ("sre",))
    assert found.on_behalf_of == (rich,)


def test_several_lend_together() -> None:
    found = acting(VERA, [lent(OLGA), lent(BEN)], (ANA,), BOTH)
    assert found.on_behalf_of == (BEN, OLGA)
    assert eligibility.is_met(BOTH, [found.reviewer])


@pytest.mark.parametrize(
    ("found", "authors"),
    [
        ([lent(BEN, OLGA)], (ANA,)),
        ([lent(BEN)], (BEN,)),
        ([lent(BEN)], (ANA, BEN)),
        ([lent(ANA)], (AGENT,)),
        ([], (ANA,)),
    ],
    ids=["to another", "by the requester", "by an author", "by one without the role", "nothing"],
)
def test_nothing_is_lent(found: list[Delegation], authors: tuple[Principal, ...]) -> None:
    assert acting(VERA, found, authors, ONE) == Acting(VERA)


def test_lent_is_what_the_lender_still_holds_by_anything_in_force() -> None:
    rich = BEN.model_copy(update={"roles": (Role.APPROVER, Role.ADMIN), "groups": ("sre", "finance")})
    by_token = BEN.model_copy(update={"roles": (Role.APPROVER,), "groups": ("finance",)})
    by_sign_in = BEN.model_copy(update={"roles": (Role.VIEWER,), "groups": ("board",)})
    left = as_held(lent(rich), [by_sign_in, by_token])
    assert left is not None
    assert (left.delegator.roles, left.delegator.groups) == ((Role.APPROVER,), ("finance",))
    both = as_held(
        lent(rich), [by_token, BEN.model_copy(update={"roles": (Role.ADMIN,), "groups": ("sre",)})]
    )
    assert both is not None
    assert both.delegator == rich


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [BEN.model_copy(update={"roles": (Role.OPERATOR,)})],
        [BEN.model_copy(update={"subject": "bea"})],
        [BEN.model_copy(update={"issuer": "https://sso.example"})],
        [BEN.model_copy(update={"kind": PrincipalKind.SERVICE})],
    ],
    ids=["nothing", "no such role", "another person", "another issuer", "a machine of that name"],
)
def test_whoever_holds_nothing_any_more_lends_nothing(seen: list[Principal]) -> None:
    assert as_held(lent(BEN), seen) is None


def test_a_scope_covers_what_it_names() -> None:
    scoped = lent(BEN, scope=DelegationScope(environment="production"))
    assert covering([scoped], "production", "x") == (scoped,)
    assert covering([scoped], "development", "x") == ()
    of_a_team = lent(BEN, scope=DelegationScope(team="x"))
    assert covering([of_a_team], "anything", "x") == (of_a_team,)
    assert covering([of_a_team], "anything", "y") == ()
    assert covering([lent(BEN)], "anything", "x") == (lent(BEN),)


def test_whoever_borrows_is_widened_for_looking_only_by_what_is_theirs() -> None:
    assert Role.APPROVER in widened(VERA, [lent(BEN)]).roles
    assert widened(VERA, [lent(BEN, OLGA)]) == VERA


@pytest.mark.parametrize(
    "changes",
    [
        {"delegate": AGENT},
        {"delegator": AGENT},
        {"delegate": BEN.model_copy(update={"roles": ()})},
        {"until": NOON},
        {"until": NOON + MAX_DELEGATION + timedelta(seconds=1)},
        {"reason": ""},
        {"starts_at": NOON.replace(tzinfo=None)},
    ],
    ids=["to an agent", "by an agent", "to oneself", "no time", "too long", "no reason", "no offset"],
)
def test_what_is_no_delegation_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        lent(BEN, **changes)


def test_it_holds_from_its_start_until_right_before_its_end() -> None:
    one = lent(BEN)
    moments = (
        one.starts_at - timedelta(seconds=1),
        one.starts_at,
        one.until - timedelta(seconds=1),
        one.until,
    )
    assert [one.is_active(moment) for moment in moments] == [False, True, True, False]


def refusal(reviewer: Principal, *behalf: Principal, authors: tuple[Principal, ...] = (ANA,)) -> str | None:
    decision = Decision(
        id="dec_1",
        tenant="default",
        proposal_id="prp_1",
        revision=1,
        kind=DecisionKind.APPROVE,
        reviewer=reviewer,
        on_behalf_of=behalf,
        proposal_digest="sha256:1",
        evaluation_digest="sha256:2",
        at=NOON,
        key_id=key_id_of(KEY.public_key()),
    )
    rules = DecisionRules(
        proposal_digest="sha256:1",
        revision=1,
        decide_by=NOON + timedelta(hours=1),
        authors=authors,
        requirement=ONE,
        public_keys={key_id_of(KEY.public_key()): encode_public_key(KEY.public_key())},
    )
    return eligibility.decision_refusal(
        sign(decision, KEY), rules, tenant="default", proposal_id="prp_1", now=NOON
    )


def test_the_validator_counts_a_borrowed_vote() -> None:
    borrowed = acting(VERA, [lent(BEN)], (ANA,), ONE)
    assert refusal(borrowed.reviewer, *borrowed.on_behalf_of) is None


@pytest.mark.parametrize(
    ("behalf", "authors"),
    [(BEN, (BEN,)), (BEN, (ANA, BEN)), (ANA, (AGENT,)), (AGENT, (ANA,))],
    ids=["of the requester", "of an author", "of one without the role", "of an agent"],
)
def test_the_validator_refuses_a_vote_that_could_not_be_lent(
    behalf: Principal, authors: tuple[Principal, ...]
) -> None:
    approver = VERA.model_copy(update={"roles": (Role.APPROVER,)})
    assert refusal(approver, behalf, authors=authors) == "not_eligible_delegator"
    assert refusal(approver, authors=authors) is None


def test_a_vote_for_oneself_is_no_second_vote() -> None:
    assert refusal(BEN, BEN) == "not_eligible_delegator"


def test_a_decision_of_ones_own_keeps_the_bytes_it_always_had() -> None:
    decision = Decision(
        id="dec_1", tenant="default", proposal_id="prp_1", revision=1, kind=DecisionKind.APPROVE, reviewer=BEN,
        proposal_digest="sha256:1", evaluation_digest="sha256:2", at=NOON, key_id="k",
    )  # fmt: skip
    assert b"on_behalf_of" not in decision.signing_bytes()
