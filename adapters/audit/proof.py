"""AUDIT: what can be verified without the whole log: that one entry is in it, and that it only grew. Pure.

The proof of an entry is its line of an export above a C2SP tlog-proof, so that other tools can read that part:

    {"leaf":{…},"leaf_hash":"<64 hex>","number":17}
    c2sp.org/tlog-proof@v1
    index 17
    <hash, base64>, one line each, from the entry's neighbour upwards (RFC 6962 §2.1.1)
    <blank line>
    <signed note of a checkpoint that covers the entry>
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from adapters.audit import checkpoint as checkpoints
from adapters.audit import merkle
from adapters.audit.checkpoint import Checkpoint, CheckpointKey
from adapters.audit.export import Entry, entry_line, read_entry
from adapters.audit.verify import entry_fault
from contracts.errors import SluiceError

MAX_PROOF = 4 * 1_024 * 1_024
"""Bytes of a proof that are read: far more than an entry has."""

_HEAD = "c2sp.org/tlog-proof@v1\nindex {number}\n{path}\n"
_READ_HEAD = re.compile(
    r"c2sp\.org/tlog-proof@v1\nindex (?:0|[1-9][0-9]{0,18})\n(?P<path>(?:[A-Za-z0-9+/]{43}=\n){0,63})\n"
)


class ProofInvalid(SluiceError):
    """A proof is malformed, or does not prove what it is there for."""

    reason_code = "proof_invalid"


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry, the way from it to a root, and who signed that root."""

    entry: Entry
    path: tuple[bytes, ...]
    note: str

    def encode(self) -> bytes:
        """Return the file."""
        path = "".join(f"{encoded(one)}\n" for one in self.path)
        head = _HEAD.format(number=self.entry.number, path=path)
        return entry_line(self.entry) + (head + self.note).encode()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return what `encode` wrote, nothing of it verified.

        Raises:
            ProofInvalid: it wrote something else.
        """
        if len(content) > MAX_PROOF:
            raise ProofInvalid("too long for the proof of an entry")
        line, _, below = content.partition(b"\n")
        entry, text = read_entry(line + b"\n"), below.decode("utf-8", "replace")
        head = _READ_HEAD.match(text)
        if entry is None or head is None:
            raise ProofInvalid("not the proof of an entry")
        path = tuple(base64.b64decode(one) for one in head["path"].split())
        read = cls(entry, path, text[head.end() :])
        if read.encode() != content:
            raise ProofInvalid("the proof names another entry, or is not spelled as this format spells it")
        return read


@dataclass(frozen=True, slots=True)
class Proved:
    """An entry that is in the log of a signed checkpoint, under its number."""

    entry: Entry
    checkpoint: Checkpoint


def encoded(one: bytes) -> str:
    """Return a hash as proofs spell it."""
    return base64.b64encode(one).decode()


def verify_entry(content: bytes, keys: Collection[CheckpointKey], kept: str | None = None) -> Proved:
    """Return what a file proves. `kept` is the note of a checkpoint kept elsewhere that must be the proof's own.

    Raises:
        ProofInvalid: it proves nothing.
        CheckpointInvalid: one of the checkpoints is not signed by one of the keys.
    """
    proof = Proof.parse(content)
    entry, checkpoint = proof.entry, checkpoints.verify(proof.note, keys)
    wrong = entry_fault(entry)
    if wrong is not None:
        raise ProofInvalid(wrong)
    if not merkle.verify_inclusion(
        entry.leaf_hash, entry.number, checkpoint.size, proof.path, checkpoint.root
    ):
        raise ProofInvalid(f"the entry is not number {entry.number} under the signed root")
    if kept is not None:
        _compare(checkpoint, checkpoints.verify(kept, keys))
    return Proved(entry, checkpoint)


def verify_growth(kept: str, grown: str, path: Sequence[str], keys: Collection[CheckpointKey]) -> Checkpoint:
    """Return the checkpoint of a note whose log begins with that of the kept one, by a path in base64.

    Raises:
        ProofInvalid: it does not.
        CheckpointInvalid: one of the checkpoints is not signed by one of the keys.
    """
    old, new = checkpoints.verify(kept, keys), checkpoints.verify(grown, keys)
    if new.size < old.size:
        raise ProofInvalid(f"the log has {new.size} entries, and had {old.size}")
    try:
        hashes = [base64.b64decode(one, validate=True) for one in path]
    except ValueError as error:
        raise ProofInvalid("the path is not base64") from error
    if any(len(one) != merkle.HASH_BYTES for one in hashes):
        raise ProofInvalid("the path is not one of SHA-256")
    if not merkle.verify_consistency(old.size, old.root, new.size, new.root, hashes):
        raise ProofInvalid(f"nothing proves that the log begins with the {old.size} entries that it had")
    return new


def _compare(own: Checkpoint, kept: Checkpoint) -> None:
    if own.size != kept.size:
        told = f"the proof's checkpoint covers {own.size} entries, the one kept elsewhere {kept.size}"
        raise ProofInvalid(f"{told}: only a proof under the kept one can be compared with it")
    if own.root != kept.root:
        raise ProofInvalid(f"the first {own.size} entries are not those of the checkpoint kept elsewhere")
