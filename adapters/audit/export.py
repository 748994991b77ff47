"""AUDIT: the log as a file that anybody can verify offline. JSON lines, each ended by a line feed.

    {"format":"sluice.audit.export.v1","origin":"…","size":2,"tail":0}
    {"leaf":{…},"leaf_hash":"<64 hex>","number":0}
    {"leaf":{…},"leaf_hash":"<64 hex>","number":1}
    {"checkpoint":"<signed note>","previous":0}
    {"end":true,"size":2,"tail":0}

`leaf` is the exact canonical object (RFC 8785) that was hashed, byte for byte. Every stored checkpoint stands right
behind the last entry it covers and names the size of the one before; the last one covers the whole file. `tail`
counts the events that were not covered yet when the file was made.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Literal, NamedTuple

from contracts.base import Contract, canonical_json

_ENTRY_BEGIN = b'{"leaf":'
_ENTRY_END = re.compile(rb',"leaf_hash":"([0-9a-f]{64})","number":(0|[1-9][0-9]{0,18})\}\n\Z')
_ENDING_BYTES = 120
"""More than the longest ending of an entry's line."""


class Header(Contract):
    """First line."""

    format: Literal["sluice.audit.export.v1"] = "sluice.audit.export.v1"
    origin: str
    size: int
    tail: int


class CheckpointLine(Contract):
    """A signed note over all entries above it."""

    checkpoint: str
    previous: int
    """Size of the checkpoint before; 0 for the first."""


class Footer(Contract):
    """Last line: repeats the header's counts, so that neither can be changed alone."""

    end: Literal[True] = True
    size: int
    tail: int


class Entry(NamedTuple):
    """One numbered event as it is stored."""

    number: int
    leaf: bytes
    leaf_hash: bytes


class Note(NamedTuple):
    """One stored checkpoint."""

    size: int
    note: str


def line_of(value: Contract) -> bytes:
    """Return a line that is not an entry."""
    return canonical_json(value) + b"\n"


def entry_line(entry: Entry) -> bytes:
    """Return an entry's line. It is canonical because its leaf is."""
    ending = f',"leaf_hash":"{entry.leaf_hash.hex()}","number":{entry.number}}}\n'
    return _ENTRY_BEGIN + entry.leaf + ending.encode()


def read_entry(line: bytes) -> Entry | None:
    """Return the entry on a line that is spelled exactly as `entry_line` does, its hash as claimed; else None."""
    if not line.startswith(_ENTRY_BEGIN):
        return None
    match = _ENTRY_END.search(line, max(len(_ENTRY_BEGIN), len(line) - _ENDING_BYTES))
    if match is None:
        return None
    leaf = line[len(_ENTRY_BEGIN) : match.start()]
    return Entry(int(match[2]), leaf, bytes.fromhex(match[1].decode()))


async def export_lines(
    entries: AsyncIterable[Entry], notes: Iterable[Note], *, origin: str, tail: int
) -> AsyncIterator[bytes]:
    """Yield the file line by line, from entries in order and all checkpoints by rising size.

    The last checkpoint decides where the file ends. Memory does not grow with the log.
    """
    waiting = [note for note in notes if note.size > 0]
    size, previous = (waiting[-1].size if waiting else 0), 0
    yield line_of(Header(origin=origin, size=size, tail=tail))
    async for entry in entries:
        if entry.number >= size:
            break
        yield entry_line(entry)
        while waiting and waiting[0].size == entry.number + 1:
            note = waiting.pop(0)
            yield line_of(CheckpointLine(checkpoint=note.note, previous=previous))
            previous = note.size
    yield line_of(Footer(size=size, tail=tail))
