"""Every single bit of an export, flipped: by the checks that the verifier makes of a line, and by the whole of it.

A flip changes one line, so one line is judged, with the functions that the verifier itself judges it with: is it an
entry of this format, with the number of its place, under the hash it claims, in canonical form? One that passed would
be tried on the whole file. What is skipped that way is the judgement of lines that did not change: a fault that was
counted is never taken back, which the flips through the whole verifier and through the command line confirm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from adapters.audit import checkpoint
from adapters.audit.checkpoint import CheckpointInvalid, CheckpointKey
from adapters.audit.export import CheckpointLine, Footer, Header, line_of, read_entry
from adapters.audit.verify import entry_fault, verify_export
from proofs.audit_tamper.log import Log

_LINE_FEED = 0x0A
_ENTRY = b'{"leaf":'


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit of a file."""

    line: int
    """Counted from 0."""
    byte: int
    bit: int

    def __str__(self) -> str:
        return f"flip/{self.line}/{self.byte}/{self.bit}"


def flipped(lines: Sequence[bytes], flip: Flip) -> list[bytes]:
    """Return the lines of a file after a flip, split anew where the bit made or unmade a line feed."""
    changed = bytearray(lines[flip.line])
    changed[flip.byte] ^= 1 << flip.bit
    first, last = flip.line, flip.line + 1
    if changed[-1] != _LINE_FEED and last < len(lines):
        changed += lines[last]
        last += 1
    return [*lines[:first], *split(bytes(changed)), *lines[last:]]


def split(raw: bytes) -> list[bytes]:
    """Return lines as iterating a binary file gives them."""
    return [one + b"\n" for one in raw.split(b"\n")[:-1]] + (
        [rest] if (rest := raw.rpartition(b"\n")[2]) else []
    )


def overlooked(log: Log, line: int) -> tuple[int, list[Flip]]:
    """Flip every bit of a line; return how many there are, and those that no check of the line notices."""
    raw, following = log.lines[line], log.lines[line + 1] if line + 1 < len(log.lines) else b""
    number = _number_of(raw)
    changed, found = bytearray(raw), []
    for at in range(len(raw)):
        for bit in range(8):
            changed[at] ^= 1 << bit
            if changed[at] == _LINE_FEED or at == len(raw) - 1:
                joined = bytes(changed) if changed[-1] == _LINE_FEED else bytes(changed) + following
                is_noticed = not any(_passes(one, number, log.signer.key) for one in split(joined))
            else:
                is_noticed = not _passes(bytes(changed), number, log.signer.key)
            if not is_noticed:
                found.append(Flip(line, at, bit))
            changed[at] ^= 1 << bit
    return 8 * len(raw), found


def accepts(log: Log, line: int) -> bool:
    """Tell whether the checks of a line let it through as it is: else a flip that they notice shows nothing."""
    raw = log.lines[line]
    return _passes(raw, _number_of(raw), log.signer.key)


def whole(log: Log, flip: Flip) -> bool:
    """Tell whether the whole verifier finds a flip, without any kept checkpoint."""
    return not verify_export(flipped(log.lines, flip), [log.signer.key]).is_sound


def of_line(raw: bytes, line: int) -> Iterator[Flip]:
    """Yield every flip of a line."""
    for at in range(len(raw)):
        for bit in range(8):
            yield Flip(line, at, bit)


def _number_of(raw: bytes) -> int | None:
    entry = read_entry(raw)
    return None if entry is None else entry.number


def _passes(raw: bytes, number: int | None, key: CheckpointKey) -> bool:
    """Tell whether a line that stands in the place of entry `number`, or of another line, could be taken for it."""
    if number is not None:
        entry = read_entry(raw)
        return entry is not None and entry.number == number and entry_fault(entry) is None
    if raw.startswith(_ENTRY):
        return read_entry(raw) is not None
    for model in (CheckpointLine, Header, Footer):
        try:
            content = model.model_validate_json(raw, strict=True)
        except ValidationError:
            continue
        return line_of(content) == raw and _is_signed(content, key)
    return False


def _is_signed(content: Header | CheckpointLine | Footer, key: CheckpointKey) -> bool:
    """What is not signed is judged by the lines around it."""
    if not isinstance(content, CheckpointLine):
        return True
    try:
        checkpoint.verify(content.checkpoint, [key])
    except CheckpointInvalid:
        return False
    return True
