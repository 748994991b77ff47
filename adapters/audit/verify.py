"""AUDIT: verifies an export offline, in one pass, and says which line is wrong and how.

What is proved: every entry is one canonical JSON object, every byte of it is under its leaf hash, all leaf hashes are
under the root of a signed checkpoint, and with a checkpoint kept elsewhere, the file neither ends before it nor tells
another history.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import ValidationError
from rfc8785 import CanonicalizationError

from adapters.audit import checkpoint as checkpoints
from adapters.audit.checkpoint import Checkpoint, CheckpointInvalid, CheckpointKey
from adapters.audit.export import CheckpointLine, Entry, Footer, Header, line_of, read_entry
from adapters.audit.merkle import Tree, leaf_hash
from contracts.canonical import is_canonical

MAX_FAULTS = 100
"""Faults that are listed; the rest is counted."""


class FaultKind(StrEnum):
    """What is wrong with a line, or between two."""

    FLIPPED = "flipped"
    """The line is damaged: its bytes do not give its hash, or they are not spelled as this format spells them."""
    MISSING = "missing"
    SWAPPED = "swapped"
    EXTRA = "extra"
    TRUNCATED = "truncated"
    BAD_SIGNATURE = "bad_signature"
    CHECKPOINT_MISMATCH = "checkpoint_mismatch"
    """Entries were rewritten together with their hashes: they do not give the signed root."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `line` counts from 1, `number` is that of the entry it concerns."""

    kind: FaultKind
    line: int
    number: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an export proves."""

    faults: tuple[Fault, ...]
    """In the order of lines, at most `MAX_FAULTS`."""
    fault_count: int
    entries: int
    """Entries read."""
    proved_size: int
    """Entries covered by the largest signed checkpoint that matches, with no fault before it."""
    tail: int
    """Events the database had that are not in the file, numbered or not: nothing is proved about them."""
    checkpoint: Checkpoint | None
    """That largest checkpoint."""
    is_anchored: bool
    """A trusted checkpoint kept elsewhere was given, and the file contains its history."""

    @property
    def is_sound(self) -> bool:
        """True when nothing is wrong with the whole file."""
        return self.fault_count == 0


@dataclass(frozen=True, slots=True)
class _Line:
    index: int
    content: Entry | Header | CheckpointLine | Footer | None
    """None: no line of this format."""
    is_whole: bool
    """It ends with a line feed."""

    @property
    def next_number(self) -> int | None:
        """Number that the entry below this line, or on it, should have: it tells whether the line above fits."""
        match self.content:
            case Entry(number=number):
                return number
            case CheckpointLine(checkpoint=note):
                try:
                    return checkpoints.parse(note).size
                except CheckpointInvalid:
                    return None
            case Footer(size=size):
                return size
            case _:
                return None


def verify_export(
    lines: Iterable[bytes],
    public_keys: Collection[CheckpointKey],
    trusted_checkpoint: str | None = None,
) -> Report:
    """Verify an export given as raw lines with their line feeds, as iterating a binary file gives them.

    `trusted_checkpoint` is a signed note that was kept elsewhere. Never raises for what the file holds; memory does
    not grow with it.

    Raises:
        CheckpointInvalid: the trusted checkpoint itself is not signed by one of the keys.
    """
    trusted = None if trusted_checkpoint is None else checkpoints.verify(trusted_checkpoint, public_keys)
    reading = _Reading(public_keys, trusted)
    parsed = (_parse(index, raw) for index, raw in enumerate(lines, start=1))
    present = next(parsed, None)
    while present is not None:
        following = next(parsed, None)
        reading.take(present, following)
        present = following
    return reading.finish()


def entry_fault(entry: Entry) -> str | None:
    """Return why an entry cannot be believed by itself, or None. Its number is judged by its place."""
    if leaf_hash(entry.leaf) != entry.leaf_hash:
        return "the entry does not give its hash"
    if not is_canonical(entry.leaf):
        return "the entry is not canonical JSON"
    return None


def _parse(index: int, raw: bytes) -> _Line:
    is_whole = raw.endswith(b"\n")
    entry = read_entry(raw)
    if entry is not None:
        return _Line(index, entry, is_whole)
    for model in (CheckpointLine, Header, Footer):
        try:
            content = model.model_validate_json(raw, strict=True)
            if line_of(content) == raw:
                return _Line(index, content, is_whole)
        except (ValidationError, CanonicalizationError):
            continue
    return _Line(index, None, is_whole)


class _Reading:
    """One pass over the lines."""

    def __init__(self, keys: Collection[CheckpointKey], trusted: Checkpoint | None) -> None:
        self._keys = keys
        self._trusted = trusted
        self._is_anchored = trusted is not None and trusted.size == 0
        self._faults: list[Fault] = []
        self._count = 0
        self._misnumbered: dict[tuple[int, int], int] = {}
        self._header: Header | None = None
        self._footer: Footer | None = None
        self._proved: Checkpoint | None = None
        self._tree = Tree()
        self._entries = 0
        self._expected = 0
        self._last_line = 0
        self._last_checkpoint = 0
        self._tree_is_suspect = False
        """A fault was reported that can make every later root wrong: that is not reported again."""
        self._checkpoint_was_lost = False
        self._settled_line = 0
        """A line that was judged together with the one before it."""

    def take(self, line: _Line, following: _Line | None) -> None:
        """Judge one line by what is expected at its place and by the line below it."""
        self._last_line = line.index
        if self._footer is not None:
            self._fault(FaultKind.EXTRA, line, None, "stands behind the end of the export")
            return
        match line.content:
            case Entry() as entry:
                self._take_entry(line, entry, following)
            case CheckpointLine() as content:
                self._take_checkpoint(line, content, following)
            case Header() as content if line.index == 1:
                self._header = content
            case Footer() as content:
                self._take_footer(line, content)
            case Header():
                self._fault(FaultKind.EXTRA, line, None, "a header stands on the first line only")
            case None:
                self._take_damaged(line, following)
        if line.index == 1 and self._header is None and line.content is not None:
            self._fault(FaultKind.MISSING, line, None, "the header is missing")

    def finish(self) -> Report:
        """Return what was found, once every line was taken."""
        end = _Line(self._last_line + 1, None, is_whole=False)
        if self._footer is None:
            self._fault(FaultKind.TRUNCATED, end, self._expected, "the file ends without its last line")
        if self._trusted is not None and self._expected < self._trusted.size:
            message = f"the trusted checkpoint covers {self._trusted.size} entries, the file {self._expected}"
            self._fault(FaultKind.TRUNCATED, end, self._expected, message)
        return Report(
            faults=tuple(sorted(self._faults, key=lambda fault: fault.line)),
            fault_count=self._count,
            entries=self._entries,
            proved_size=self._proved.size if self._proved else 0,
            tail=self._header.tail if self._header else 0,
            checkpoint=self._proved,
            is_anchored=self._is_anchored,
        )

    def _take_entry(self, line: _Line, entry: Entry, following: _Line | None) -> None:
        self._entries += 1
        expected, below = self._expected, following.next_number if following else None
        if line.index == self._settled_line or entry.number == expected:
            self._accept(line, entry, expected)
        elif below == expected + 1:
            self._misnumber(line, entry, expected)
        elif entry.number == expected + 1 and below == expected:
            self._fault(FaultKind.SWAPPED, line, expected, f"entry {entry.number} stands before {expected}")
            self._settled_line = line.index + 1
            self._distrust_tree()
            self._accept(line, entry, entry.number)
            self._expected = expected + 1
        elif entry.number < expected or below == expected:
            self._fault(FaultKind.EXTRA, line, entry.number, f"expected entry {expected} here")
        else:
            self._miss(line, entry.number)
            self._accept(line, entry, entry.number)

    def _accept(self, line: _Line, entry: Entry, number: int) -> None:
        wrong = entry_fault(entry)
        if wrong is not None:
            self._fault(FaultKind.FLIPPED, line, number, wrong)
            self._distrust_tree()
        self._tree.append(entry.leaf_hash)
        self._expected = number + 1
        trusted = self._trusted
        if trusted is None or self._tree.size != trusted.size:
            return
        if self._tree.root() == trusted.root:
            self._is_anchored = True
        elif not self._tree_is_suspect:
            message = f"the first {trusted.size} entries are not those of the trusted checkpoint"
            self._fault(FaultKind.CHECKPOINT_MISMATCH, line, number, message)
            self._distrust_tree()

    def _misnumber(self, line: _Line, entry: Entry, expected: int) -> None:
        """The neighbours fit, this number does not. Two such entries that trade places were swapped."""
        partner = self._misnumbered.pop((entry.number, expected), None)
        if partner is None:
            self._fault(FaultKind.FLIPPED, line, expected, f"says {entry.number}, stands at {expected}")
            if len(self._faults) == self._count:
                self._misnumbered[expected, entry.number] = len(self._faults) - 1
        else:
            first = self._faults[partner]
            message = f"entries {entry.number} and {expected} stand in each other's place"
            self._faults[partner] = replace(first, kind=FaultKind.SWAPPED, message=message)
            self._fault(FaultKind.SWAPPED, line, expected, message)
        self._distrust_tree()
        self._accept(line, entry, expected)

    def _take_checkpoint(self, line: _Line, content: CheckpointLine, following: _Line | None) -> None:
        try:
            seen = checkpoints.verify(content.checkpoint, self._keys)
        except CheckpointInvalid as error:
            self._fault(FaultKind.BAD_SIGNATURE, line, None, str(error))
            self._checkpoint_was_lost = True
            return
        if not self._is_in_its_place(line, seen, following):
            return
        if content.previous != self._last_checkpoint and not self._checkpoint_was_lost:
            message = f"a checkpoint between {self._last_checkpoint} and {seen.size} entries is missing"
            self._fault(FaultKind.MISSING, line, None, message)
        self._last_checkpoint, self._checkpoint_was_lost = seen.size, False
        if self._header is not None and seen.origin != self._header.origin:
            header = _Line(1, self._header, is_whole=True)
            self._fault(FaultKind.FLIPPED, header, None, f"the log is named {seen.origin}")
        if self._tree.size == seen.size and self._tree.root() == seen.root:
            self._proved = seen if self._count == 0 else self._proved
        elif not self._tree_is_suspect:
            message = f"entries {content.previous} to {seen.size - 1} do not give the signed root"
            self._fault(FaultKind.CHECKPOINT_MISMATCH, line, content.previous, message)
            self._distrust_tree()

    def _is_in_its_place(self, line: _Line, seen: Checkpoint, following: _Line | None) -> bool:
        expected, below = self._expected, following.next_number if following else None
        if seen.size == expected and seen.size != self._last_checkpoint:
            return True
        if seen.size > expected and below != expected:
            self._miss(line, seen.size)
            return True
        kind = FaultKind.SWAPPED if abs(seen.size - expected) == 1 else FaultKind.EXTRA
        message = f"a checkpoint over {seen.size} entries stands behind {expected}"
        self._fault(kind, line, None, message)
        self._checkpoint_was_lost = True
        return False

    def _take_footer(self, line: _Line, content: Footer) -> None:
        self._footer = content
        header, size = self._header, self._expected
        if content.size > size:
            self._miss(line, content.size)
        elif content.size < size:
            self._fault(FaultKind.FLIPPED, line, None, f"says {content.size} entries, {size} stand above")
        if header is not None and (header.size, header.tail) != (content.size, content.tail):
            at = line if header.size == size != content.size else _Line(1, header, is_whole=True)
            self._fault(FaultKind.FLIPPED, at, None, "the first and the last line contradict each other")
        if self._last_checkpoint != size and not self._checkpoint_was_lost and self._count == 0:
            message = f"the checkpoint over all {size} entries is missing"
            self._fault(FaultKind.MISSING, line, None, message)

    def _take_damaged(self, line: _Line, following: _Line | None) -> None:
        kind = FaultKind.FLIPPED if line.is_whole else FaultKind.TRUNCATED
        if line.index > 1 and following is not None and following.next_number == self._expected + 1:
            self._fault(kind, line, self._expected, "not a line of an export, in place of an entry")
            self._distrust_tree()
            self._expected += 1
            return
        self._fault(kind, line, None, "not a line of an export")
        self._checkpoint_was_lost = True

    def _miss(self, line: _Line, until: int) -> None:
        first = self._expected
        message = (
            f"entry {first} is missing"
            if until - first == 1
            else f"entries {first} to {until - 1} are missing"
        )
        self._fault(FaultKind.MISSING, line, first, message)
        self._expected = until
        self._distrust_tree()

    def _distrust_tree(self) -> None:
        self._tree_is_suspect = True

    def _fault(self, kind: FaultKind, line: _Line, number: int | None, message: str) -> None:
        self._count += 1
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(Fault(kind, line.index, number, message))
