"""AUDIT: signed checkpoints, the promise of what the log holds so far. Pure.

The format is C2SP tlog-checkpoint inside a C2SP signed-note, so that witnesses and other tools can read it:

    <origin>
    <size, decimal>
    <root hash, base64>
    <blank line>
    — <key name> <base64 of 4 bytes key id and 64 bytes Ed25519 signature>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.errors import SluiceError

DEFAULT_ORIGIN = "sluice.local/audit"
"""Name of the log, and of its key: a schema-less URL that its operator owns (tlog-checkpoint, "Note text")."""

_ED25519 = b"\x01"  # signature type, signed-note "Signature types"
_SIGNATURE = re.compile(r"— (?P<name>[^\s+]+) (?P<encoded>[A-Za-z0-9+/]+={0,2})\n")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_HASH_BYTES = 32
_MAX_NOTE = 16_384
_MAX_SIGNATURES = 16


class CheckpointInvalid(SluiceError):
    """A checkpoint is malformed, or no known key signed it."""

    reason_code = "checkpoint_invalid"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says: the log named `origin` has `size` entries under this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text under the signature."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class CheckpointKey:
    """A key that may sign checkpoints, with its name."""

    name: str
    public_key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256 over name, line feed, type and raw key (signed-note, "Signatures")."""
        raw = self.public_key.public_bytes_raw()
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + raw).digest()[:4]

    def encode(self) -> str:
        """Return the verifier key: `<name>+<hex key id>+<base64 of type and raw key>`."""
        raw = _ED25519 + self.public_key.public_bytes_raw()
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(raw).decode()}"

    @classmethod
    def parse(cls, encoded: str) -> Self:
        """Return the key that `encode` wrote.

        Raises:
            CheckpointInvalid: it is none.
        """
        try:
            name, key_id, key = encoded.strip().split("+", 2)
            raw = base64.b64decode(key, validate=True)
            parsed = cls(name, Ed25519PublicKey.from_public_bytes(raw[1:]))
        except ValueError as error:
            raise CheckpointInvalid("not a verifier key of a signed note") from error
        if raw[:1] != _ED25519 or parsed.key_id.hex() != key_id or not name:
            raise CheckpointInvalid("not a verifier key of a signed note")
        return parsed


class CheckpointSigner:
    """Signs checkpoints of one log. Only the sequencer has one."""

    def __init__(self, private_key: Ed25519PrivateKey, origin: str = DEFAULT_ORIGIN) -> None:
        """Sign as `origin`, which names both the log and the key."""
        if not origin or re.search(r"[\s+]", origin):
            raise CheckpointInvalid("an origin has neither spaces nor a plus")
        self._private_key = private_key
        self.key = CheckpointKey(origin, private_key.public_key())

    def sign(self, size: int, root: bytes) -> str:
        """Return the signed note."""
        text = Checkpoint(self.key.name, size, root).text()
        signature = self._private_key.sign(text.encode())
        encoded = base64.b64encode(self.key.key_id + signature).decode()
        return f"{text}\n— {self.key.name} {encoded}\n"


def parse(note: str) -> Checkpoint:
    """Return what a note says, its signatures unseen.

    Raises:
        CheckpointInvalid: not a checkpoint. One with extension lines is none of ours.
    """
    text, _ = _split(note)
    lines = text.split("\n")
    if len(lines) != 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise CheckpointInvalid("not a checkpoint: expected origin, size and root hash")
    checkpoint = Checkpoint(lines[0], int(lines[1]), _decoded(lines[2]))
    if len(checkpoint.root) != _HASH_BYTES or checkpoint.text() != text:
        raise CheckpointInvalid("not a checkpoint: the root hash is not one of SHA-256")
    return checkpoint


def verify(note: str, keys: Iterable[CheckpointKey]) -> Checkpoint:
    """Return what a note says, once a known key vouches for it under the log's own name.

    Signatures of unknown keys, for example of witnesses, are passed over (signed-note, "Verifying").

    Raises:
        CheckpointInvalid: malformed, signed by no known key, or a known key's signature is wrong.
    """
    checkpoint = parse(note)
    text, signatures = _split(note)
    known = {(key.name, key.key_id): key for key in keys}
    vouched = False
    for name, blob in signatures:
        key = known.get((name, blob[:4]))
        if key is None:
            continue
        try:
            key.public_key.verify(blob[4:], text.encode())
        except InvalidSignature as error:
            raise CheckpointInvalid(f"the signature of {name} is wrong") from error
        vouched = vouched or name == checkpoint.origin
    if not vouched:
        raise CheckpointInvalid("no known key of the log signed this checkpoint")
    return checkpoint


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return text and signatures, each by name and decoded bytes."""
    if len(note) > _MAX_NOTE or _CONTROL.search(note):
        raise CheckpointInvalid("not a signed note: too long, or with control characters")
    head, separator, tail = note.rpartition("\n\n")
    lines = tail.splitlines(keepends=True)
    matches = [_SIGNATURE.fullmatch(line) for line in lines]
    if not separator or not matches or len(matches) > _MAX_SIGNATURES:
        raise CheckpointInvalid("not a signed note: no signatures")
    signatures: list[tuple[str, bytes]] = []
    for match in matches:
        if match is None:
            raise CheckpointInvalid("not a signed note: a signature line is malformed")
        signatures.append((match["name"], _decoded(match["encoded"])))
    return head + "\n", signatures


def _decoded(encoded: str) -> bytes:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise CheckpointInvalid("not base64") from error
    if base64.b64encode(decoded).decode() != encoded:
        raise CheckpointInvalid("not canonical base64")
    return decoded
