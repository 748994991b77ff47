"""A log of events as Sluice writes them, exported with its checkpoints by the exporter's own code."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.audit.checkpoint import CheckpointSigner
from adapters.audit.export import (
    CheckpointLine,
    Entry,
    Footer,
    Header,
    Note,
    entry_line,
    export_lines,
    line_of,
)
from adapters.audit.merkle import Tree, leaf_hash
from contracts.audit import AuditEvent, AuditType
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role

ORIGIN = "sluice.proof/audit"
_BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)
_ANA = Principal(kind=PrincipalKind.HUMAN, subject="ana", roles=(Role.REQUESTER,))
_WORDS = ("the queue grows", "größer, bitte", "p95 is above its goal", "夜間に縮小", "no longer needed 🚀")


@dataclass(frozen=True, slots=True)
class Log:
    """An exported log, and what somebody keeps elsewhere."""

    entries: tuple[Entry, ...]
    lines: tuple[bytes, ...]
    """The export, each with its line feed."""
    signer: CheckpointSigner
    kept: str
    """The last checkpoint."""
    every: int
    """Entries between two checkpoints."""

    @property
    def content(self) -> bytes:
        """The whole file."""
        return b"".join(self.lines)


def signer_of(seed: int) -> CheckpointSigner:
    """Return the key of a log: no secret, drawn from the seed so that a run can be repeated."""
    return CheckpointSigner(
        Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % seed).digest()), ORIGIN
    )


def made(size: int, seed: int, *, every: int) -> Log:
    """Return a log of `size` events with a checkpoint after each `every`, and one at the end."""
    entries, signer = _entries(size, seed), signer_of(seed)
    notes = [*_notes(entries, signer, every)]
    return Log(tuple(entries), tuple(asyncio.run(_exported(entries, notes))), signer, notes[-1].note, every)


def rewritten(entries: Sequence[Entry], signer: CheckpointSigner, *, every: int) -> list[bytes]:
    """Return an export of these entries, numbered anew, under checkpoints of that key: what its owner could make."""
    numbered = [one._replace(number=number) for number, one in enumerate(entries)]
    notes, previous = {note.size: note for note in _notes(numbered, signer, every)}, 0
    lines = [line_of(Header(origin=signer.key.name, size=len(numbered), tail=0))]
    for one in numbered:
        lines.append(entry_line(one))
        note = notes.get(one.number + 1)
        if note is not None:
            lines.append(line_of(CheckpointLine(checkpoint=note.note, previous=previous)))
            previous = note.size
    return [*lines, line_of(Footer(size=len(numbered), tail=0))]


def _notes(entries: Sequence[Entry], signer: CheckpointSigner, every: int) -> list[Note]:
    tree, notes = Tree(), []
    for one in entries:
        tree.append(one.leaf_hash)
        if tree.size % every == 0 or tree.size == len(entries):
            notes.append(Note(tree.size, signer.sign(tree.size, tree.root())))
    return notes


def _entries(size: int, seed: int) -> list[Entry]:
    chance = random.Random(seed)  # noqa: S311  replayable, no secret
    leaves = [_event(number, chance).leaf_bytes() for number in range(size)]
    return [Entry(number, leaf, leaf_hash(leaf)) for number, leaf in enumerate(leaves)]


def _event(number: int, chance: random.Random) -> AuditEvent:
    proposal = f"prp_{chance.getrandbits(80):020x}"
    kind = chance.choice((AuditType.PROPOSAL_MOVED, AuditType.LEDGER_POSTED, AuditType.PROPOSAL_COMMENTED))
    payload: dict[str, object] = {"proposal_id": proposal, "revision": 1}
    if kind is AuditType.PROPOSAL_MOVED:
        digest = f"sha256:{chance.getrandbits(256):064x}"
        payload |= {"from": "ready", "to": "executing", "reason_code": "admitted", "digest": digest}
    elif kind is AuditType.LEDGER_POSTED:
        payload |= {"amount": "812.50", "kind": "reserve", "scope": "tenant", "confidence": chance.random()}
    else:
        payload |= {"text": chance.choice(_WORDS)}
    return AuditEvent(
        id=f"evt_{chance.getrandbits(80):020x}",
        type=kind,
        tenant="default",
        subject=proposal,
        actor=chance.choice((SYSTEM, _ANA)),
        payload=payload,
        at=_BEGAN + timedelta(milliseconds=250 * number),
    )


async def _exported(entries: Sequence[Entry], notes: Sequence[Note]) -> list[bytes]:
    async def stored() -> AsyncIterator[Entry]:
        for one in entries:
            yield one

    return [line async for line in export_lines(stored(), notes, origin=ORIGIN, tail=0)]
