"""A decision is believed only under a known key and only unchanged."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.decision import Decision, DecisionKind
from contracts.principal import Principal, PrincipalKind, Role
from contracts.signature import encode_public_key, is_signed_by, key_id_of, sign
from tests.contracts.samples import BEN, NOON

KEY = Ed25519PrivateKey.generate()
KEYS = {key_id_of(KEY.public_key()): encode_public_key(KEY.public_key())}


def decision(**changes: object) -> Decision:
    fields: dict[str, object] = {
        "id": "dec_1",
        "tenant": "default",
        "proposal_id": "prp_1",
        "revision": 1,
        "kind": DecisionKind.APPROVE,
        "reviewer": BEN,
        "proposal_digest": "sha256:a",
        "evaluation_digest": "sha256:b",
        "at": NOON,
        "key_id": key_id_of(KEY.public_key()),
    }
    return Decision.model_validate(fields | changes)


def test_a_signed_decision_is_valid_under_its_key() -> None:
    assert is_signed_by(sign(decision(), KEY), KEYS)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "dec_2"},
        {"proposal_id": "prp_2"},
        {"revision": 2},
        {"kind": DecisionKind.REJECT},
        {"reviewer": Principal(kind=PrincipalKind.HUMAN, subject="eve", roles=(Role.APPROVER,))},
        {"proposal_digest": "sha256:c"},
        {"evaluation_digest": "sha256:c"},
        {"reason": "added later"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_decision_changed_after_signing_is_not_believed(change: dict[str, object]) -> None:
    signed = sign(decision(), KEY)
    assert not is_signed_by(signed.model_copy(update={"decision": decision(**change)}), KEYS)


def test_a_key_nobody_configured_is_not_believed() -> None:
    stranger = Ed25519PrivateKey.generate()
    signed = sign(decision(key_id=key_id_of(stranger.public_key())), stranger)
    assert not is_signed_by(signed, KEYS)
    claimed = sign(decision(), stranger)
    assert not is_signed_by(claimed, KEYS)


@pytest.mark.parametrize(
    "signature", ["", "AA==", "not base64!", base64.b64encode(bytes(64)).decode(), "é" * 20]
)
def test_a_signature_that_is_none_is_refused_without_an_error(signature: str) -> None:
    signed = sign(decision(), KEY).model_copy(update={"signature": signature})
    assert not is_signed_by(signed, KEYS)


def test_a_decision_at_no_certain_moment_is_none() -> None:
    with pytest.raises(ValueError, match="timezone"):
        decision(at="2026-11-21T12:00:00")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_an_agent_can_neither_stop_nor_resolve_anything(role: Role) -> None:
    with pytest.raises(ValueError, match="neither operator nor admin"):
        Principal(kind=PrincipalKind.AGENT, subject="agent", roles=(role,))


def test_an_agent_cannot_even_be_described_as_an_approver() -> None:
    with pytest.raises(ValueError, match="only humans hold the role approver"):
        Principal(kind=PrincipalKind.AGENT, subject="agent", roles=(Role.APPROVER,))


def test_what_was_signed_before_groups_existed_keeps_its_bytes() -> None:
    assert b"groups" not in decision().signing_bytes()
    fay = BEN.model_copy(update={"groups": ("finance",)})
    assert b'"groups":["finance"]' in decision(reviewer=fay).signing_bytes()
