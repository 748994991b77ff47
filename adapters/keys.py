"""Ed25519 keys from PEM files (RFC 8410). The API holds the private ones; workers need public keys only."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from contracts.errors import ConfigurationInvalid
from contracts.signature import encode_public_key, key_id_of

_PUBLIC_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key in a PEM file.

    Raises:
        ConfigurationInvalid: missing, unreadable, encrypted, or not Ed25519. The message never holds key material.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationInvalid(f"{path} does not hold an unencrypted private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationInvalid(f"{path} holds a private key that is not Ed25519")
    return key


def load_public_keys(path: Path) -> dict[str, str]:
    """Return key id → base64 raw public key for every PEM block in a file. Several blocks allow rotation.

    Raises:
        ConfigurationInvalid: missing, empty, or a block is not an Ed25519 public key.
    """
    return {key_id_of(key): encode_public_key(key) for key in read_public_keys(path)}


def read_public_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """Return the public key of every PEM block in a file.

    Raises:
        ConfigurationInvalid: missing, empty, or a block is not an Ed25519 public key.
    """
    try:
        blocks = _PUBLIC_BLOCK.findall(path.read_bytes())
        keys = [load_pem_public_key(block) for block in blocks]
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationInvalid(f"{path} does not hold public keys in PEM form") from error
    if not keys:
        raise ConfigurationInvalid(f"{path} holds no public key")
    found = tuple(key for key in keys if isinstance(key, Ed25519PublicKey))
    if len(found) < len(keys):
        raise ConfigurationInvalid(f"{path} holds a public key that is not Ed25519")
    return found
