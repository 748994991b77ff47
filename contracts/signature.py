"""Ed25519 (RFC 8032) over decisions: the API signs, the workflow's validator and the intent transaction verify."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.decision import Decision, SignedDecision


def key_id_of(public_key: Ed25519PublicKey) -> str:
    """Return the first 16 hex digits of SHA-256 over the raw public key."""
    return hashlib.sha256(public_key.public_bytes_raw()).hexdigest()[:16]


def encode_public_key(public_key: Ed25519PublicKey) -> str:
    """Return the raw public key in base64, as workflow inputs carry it."""
    return base64.b64encode(public_key.public_bytes_raw()).decode()


def sign(decision: Decision, private_key: Ed25519PrivateKey) -> SignedDecision:
    """Sign a decision whose `key_id` names this key."""
    signature = private_key.sign(decision.signing_bytes())
    return SignedDecision(decision=decision, signature=base64.b64encode(signature).decode())


def is_signed_by(signed: SignedDecision, public_keys: Mapping[str, str]) -> bool:
    """Tell whether the signature is valid under the key it names. Never raises."""
    encoded = public_keys.get(signed.decision.key_id)
    if encoded is None:
        return False
    try:
        public_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded, validate=True))
        public_key.verify(base64.b64decode(signed.signature, validate=True), signed.decision.signing_bytes())
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
