from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.audit import checkpoint, merkle
from adapters.audit.checkpoint import CheckpointInvalid, CheckpointKey, CheckpointSigner

SIGNER = CheckpointSigner(Ed25519PrivateKey.from_private_bytes(b"k" * 32), "example.com/audit")
ROOT = merkle.leaf_hash(b"x")
NOTE = SIGNER.sign(42, ROOT)

# From the package documentation of golang.org/x/mod/sumdb/note: an independent implementation of signed notes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_signed_checkpoint_is_read_back() -> None:
    seen = checkpoint.verify(NOTE, [SIGNER.key])
    assert (seen.origin, seen.size, seen.root) == ("example.com/audit", 42, ROOT)
    assert NOTE.startswith("example.com/audit\n42\n")


def test_a_verifier_key_of_another_implementation_is_read() -> None:
    assert CheckpointKey.parse(PETER).encode() == PETER
    assert CheckpointKey.parse(SIGNER.key.encode()).encode() == SIGNER.key.encode()


@pytest.mark.parametrize("bad", ["", "a+b", PETER.replace("c74f", "c75f"), PETER[:-8], "+c74f20a3+ARpc"])
def test_a_damaged_verifier_key_is_refused(bad: str) -> None:
    with pytest.raises(CheckpointInvalid):
        CheckpointKey.parse(bad)


def test_no_bit_of_a_note_can_be_flipped() -> None:
    raw = NOTE.encode()
    for place in range(len(raw)):
        for bit in range(8):
            forged = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            with pytest.raises((CheckpointInvalid, UnicodeDecodeError)):
                checkpoint.verify(forged.decode(), [SIGNER.key])


def test_no_byte_of_a_note_can_be_dropped_or_added() -> None:
    for place in range(len(NOTE) + 1):
        for forged in (NOTE[:place] + NOTE[place + 1 :], NOTE[:place] + "\n" + NOTE[place:], NOTE[:place]):
            if forged != NOTE:
                with pytest.raises(CheckpointInvalid):
                    checkpoint.verify(forged, [SIGNER.key])


def test_another_key_under_the_same_name_does_not_vouch() -> None:
    other = CheckpointSigner(Ed25519PrivateKey.generate(), "example.com/audit")
    with pytest.raises(CheckpointInvalid):
        checkpoint.verify(NOTE, [other.key])
    with pytest.raises(CheckpointInvalid):
        checkpoint.verify(NOTE, [])


def test_a_known_witness_alone_does_not_vouch_for_the_log() -> None:
    witness = CheckpointSigner(Ed25519PrivateKey.generate(), "witness.example")
    text = NOTE.rpartition("\n\n")[0] + "\n"
    cosigned = witness._private_key.sign(text.encode())
    line = f"— {witness.key.name} {base64.b64encode(witness.key.key_id + cosigned).decode()}\n"
    assert checkpoint.verify(NOTE + line, [SIGNER.key]).size == 42
    with pytest.raises(CheckpointInvalid):
        checkpoint.verify(NOTE + line, [witness.key])


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb"])
def test_an_origin_that_a_note_cannot_carry_is_refused(origin: str) -> None:
    with pytest.raises(CheckpointInvalid):
        CheckpointSigner(Ed25519PrivateKey.generate(), origin)
