"""Keys are read from PEM files; whatever is wrong with one is said without its content."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from adapters.keys import load_private_key, load_public_keys
from contracts.errors import ConfigurationInvalid
from contracts.signature import encode_public_key, key_id_of


def private_pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_two_public_keys_in_one_file_allow_rotation(tmp_path: Path) -> None:
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    path = tmp_path / "keys.pub"
    path.write_bytes(public_pem(old) + public_pem(new))
    assert load_public_keys(path) == {
        key_id_of(key.public_key()): encode_public_key(key.public_key()) for key in (old, new)
    }


def test_a_private_key_survives_the_round_trip(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem(key))
    assert load_private_key(path).private_bytes_raw() == key.private_bytes_raw()


@pytest.mark.parametrize("content", [b"", b"not a key", public_pem(Ed25519PrivateKey.generate())])
def test_what_is_not_a_private_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigurationInvalid):
        load_private_key(path)


def test_a_key_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ConfigurationInvalid, match="not Ed25519"):
        load_private_key(path)
    path.write_bytes(public_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ConfigurationInvalid, match="not Ed25519"):
        load_public_keys(path)


def test_a_missing_or_empty_public_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        load_public_keys(tmp_path / "absent")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ConfigurationInvalid, match="no public key"):
        load_public_keys(tmp_path / "empty")
