from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.audit import merkle
from adapters.audit.checkpoint import CheckpointInvalid, CheckpointSigner
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
from adapters.audit.verify import FaultKind, Report, verify_export
from contracts.base import canonical_json

SIGNER = CheckpointSigner(Ed25519PrivateKey.from_private_bytes(b"v" * 32), "sluice.test/audit")
KEYS = [SIGNER.key]
CHECKPOINTS = (1, 4, 6, 11)
SIZE = 11


def entries(size: int = SIZE, salt: str = "") -> list[Entry]:
    leaves = [
        canonical_json({"id": f"evt_{number}{salt}", "payload": {"ü": number}}) for number in range(size)
    ]
    return [Entry(number, leaf, merkle.leaf_hash(leaf)) for number, leaf in enumerate(leaves)]


def note(rows: list[Entry], size: int) -> str:
    return SIGNER.sign(size, merkle.root_of(row.leaf_hash for row in rows[:size]))


async def exported(rows: list[Entry], sizes: tuple[int, ...] = CHECKPOINTS, tail: int = 3) -> list[bytes]:
    async def stored() -> AsyncIterator[Entry]:
        for row in rows:
            yield row

    notes = [Note(size, note(rows, size)) for size in sizes]
    return [line async for line in export_lines(stored(), notes, origin="sluice.test/audit", tail=tail)]


def written(rows: list[Entry]) -> list[bytes]:
    """The same file as `exported`, spelled out."""
    lines, previous = [line_of(Header(origin="sluice.test/audit", size=len(rows), tail=3))], 0
    for row in rows:
        lines.append(entry_line(row))
        if row.number + 1 in CHECKPOINTS:
            lines.append(line_of(CheckpointLine(checkpoint=note(rows, row.number + 1), previous=previous)))
            previous = row.number + 1
    return [*lines, line_of(Footer(size=len(rows), tail=3))]


ROWS = entries()
LINES = written(ROWS)
FILE = b"".join(LINES)
ENTRY_LINES = [index for index, line in enumerate(LINES) if line.startswith(b'{"leaf"')]


def verified(raw: bytes | list[bytes], trusted: str | None = None) -> Report:
    lines = raw.splitlines(keepends=True) if isinstance(raw, bytes) else raw
    return verify_export(lines, KEYS, trusted)


def kinds(report: Report) -> list[tuple[FaultKind, int]]:
    return [(fault.kind, fault.line) for fault in report.faults]


async def test_an_untouched_export_is_sound_and_says_how_far_it_proves() -> None:
    lines = await exported(ROWS)
    assert lines == LINES
    report = verified(lines, note(ROWS, 4))
    assert report.is_sound
    assert (report.entries, report.proved_size, report.tail, report.is_anchored) == (SIZE, SIZE, 3, True)
    assert report.checkpoint is not None
    assert report.checkpoint.size == SIZE


async def test_an_export_ends_at_its_last_checkpoint() -> None:
    report = verified(await exported(ROWS, (2, 7)))
    assert report.is_sound
    assert (report.entries, report.proved_size) == (7, 7)


async def test_an_empty_log_is_sound_and_proves_nothing() -> None:
    report = verified(await exported([], ()))
    assert report.is_sound
    assert report.proved_size == 0


def line_at(raw: bytes, place: int) -> int:
    return raw[:place].count(b"\n") + 1


@pytest.mark.parametrize(
    "leaf",
    [
        b'{"id":"evt_3","id":"evt_4"}',
        b'{"id": "evt_3"}',
        b'{"payload":1,"id":"evt_3"}',
        b'{"id":"evt_\\u0033"}',
        b'{"id":1.0}',
        b'{"id":NaN}',
        b'{"id":"\\ud800"}',
        b'"evt_3"',
        b"evt_3",
        b"\xff",
        b"[" * 50_000,
    ],
    ids=["twice", "spaced", "unsorted", "escaped", "float", "nan", "half", "text", "bare", "bytes", "deep"],
)
def test_an_entry_that_has_no_canonical_reading_is_refused_whoever_signed_it(leaf: bytes) -> None:
    rows = [*ROWS[:3], Entry(3, leaf, merkle.leaf_hash(leaf)), *ROWS[4:]]
    report = verified(written(rows))
    assert kinds(report) == [(FaultKind.FLIPPED, ENTRY_LINES[3] + 1)]
    assert report.faults[0].message == "the entry is not canonical JSON"
    assert report.proved_size == 1


@settings(max_examples=600, deadline=None)
@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found_on_its_line(place: int, mask: int) -> None:
    report = verified(FILE[:place] + bytes([FILE[place] ^ mask]) + FILE[place + 1 :])
    line = line_at(FILE, place)
    assert not report.is_sound
    # The counts stand on the first and the last line: which of the two was changed cannot always be told.
    assert line in {fault.line for fault in report.faults} or {line, 1} == {1, len(LINES)}
    assert report.faults[0].line in (line, 1)
    assert report.proved_size < SIZE or line in (1, len(LINES), len(LINES) - 1)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(FILE) - 1))
def test_any_dropped_byte_is_found_on_its_line(place: int) -> None:
    report = verified(FILE[:place] + FILE[place + 1 :])
    assert not report.is_sound
    assert report.faults[0].line in (line_at(FILE, place), 1)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(FILE) - 1))
def test_any_truncation_is_found_where_the_file_ends(length: int) -> None:
    report = verified(FILE[:length])
    assert not report.is_sound
    assert FaultKind.TRUNCATED in {fault.kind for fault in report.faults}
    assert report.faults[-1].line in (line_at(FILE, length), line_at(FILE, length) + 1)


def next_checkpoint(index: int) -> int:
    """A checkpoint that is gone is missed by the one behind it, which names the one before."""
    behind = (place for place in range(index + 1, len(LINES)) if LINES[place].startswith(b'{"checkpoint"'))
    return next(behind, len(LINES) - 1)


@given(st.integers(0, len(LINES) - 1))
def test_any_dropped_line_is_found_where_it_was(index: int) -> None:
    report = verified(LINES[:index] + LINES[index + 1 :])
    assert not report.is_sound
    was_checkpoint = LINES[index].startswith(b'{"checkpoint"')
    assert report.faults[0].line == (next_checkpoint(index) if was_checkpoint else index + 1)
    assert report.faults[0].kind in (FaultKind.MISSING, FaultKind.TRUNCATED)


@given(st.integers(0, len(LINES) - 1), st.integers(0, len(LINES) - 1))
def test_any_repeated_line_is_found(index: int, place: int) -> None:
    report = verified([*LINES[:place], LINES[index], *LINES[place:]])
    assert not report.is_sound
    # Of two equal neighbours nobody can say which is the repeated one.
    assert {place, place + 1, place + 2} & {fault.line for fault in report.faults}


@given(st.integers(0, len(LINES) - 1), st.integers(0, len(LINES) - 1))
def test_any_two_swapped_lines_are_found(one: int, two: int) -> None:
    lines = list(LINES)
    lines[one], lines[two] = lines[two], lines[one]
    report = verified(lines)
    assert report.is_sound == (one == two)
    if one != two:
        assert {one + 1, two + 1} & {fault.line for fault in report.faults}


@pytest.mark.parametrize(("one", "two"), [(2, 3), (2, 4), (0, 10), (5, 9)])
def test_two_swapped_entries_are_named_as_swapped(one: int, two: int) -> None:
    lines = list(LINES)
    first, second = ENTRY_LINES[one], ENTRY_LINES[two]
    lines[first], lines[second] = lines[second], lines[first]
    report = verified(lines)
    assert report.faults[0].kind is FaultKind.SWAPPED
    assert (report.faults[0].line, report.faults[0].number) == (first + 1, one)
    assert {fault.kind for fault in report.faults} == {FaultKind.SWAPPED}


def test_faults_are_told_apart() -> None:
    third = ENTRY_LINES[3]
    flipped = LINES[third].replace(b"evt_3", b"evt_X")
    assert kinds(verified([*LINES[:third], flipped, *LINES[third + 1 :]])) == [(FaultKind.FLIPPED, third + 1)]
    assert kinds(verified(LINES[:third] + LINES[third + 1 :])) == [(FaultKind.MISSING, third + 1)]
    twice = [*LINES[: third + 1], *LINES[third:]]
    assert kinds(verified(twice)) == [(FaultKind.EXTRA, third + 2)]
    assert kinds(verified(LINES[:-1])) == [(FaultKind.TRUNCATED, len(LINES))]
    assert kinds(verified([*LINES, LINES[-1]])) == [(FaultKind.EXTRA, len(LINES) + 1)]


def test_an_entry_rewritten_with_its_hash_is_found_by_the_checkpoint_above_it() -> None:
    forged = entries(salt="!")[8]
    lines = list(LINES)
    lines[ENTRY_LINES[8]] = entry_line(forged)
    report = verified(lines)
    assert kinds(report) == [(FaultKind.CHECKPOINT_MISMATCH, len(LINES) - 1)]
    assert report.proved_size == 6
    assert report.faults[0].number == 6


def test_a_log_signed_by_another_key_is_not_believed() -> None:
    other = CheckpointSigner(Ed25519PrivateKey.generate(), "sluice.test/audit")
    report = verify_export(LINES, [other.key])
    assert {fault.kind for fault in report.faults} == {FaultKind.BAD_SIGNATURE}
    assert report.proved_size == 0


async def test_truncation_with_a_fresh_signature_is_found_by_a_checkpoint_kept_elsewhere() -> None:
    shortened = await exported(ROWS, (1, 4))
    assert verified(shortened).is_sound
    report = verified(shortened, note(ROWS, 6))
    assert [fault.kind for fault in report.faults] == [FaultKind.TRUNCATED]
    assert "6" in report.faults[0].message
    assert not report.is_anchored


@pytest.mark.parametrize("kept", [1, 5, 11])
async def test_a_rewritten_and_freshly_signed_history_is_found_by_a_checkpoint_kept_elsewhere(
    kept: int,
) -> None:
    rewritten = await exported(entries(salt="!"))
    assert verified(rewritten).is_sound
    report = verified(rewritten, note(ROWS, kept))
    assert (report.faults[0].kind, report.faults[0].number) == (FaultKind.CHECKPOINT_MISMATCH, kept - 1)
    assert not report.is_anchored


def test_a_trusted_checkpoint_must_itself_be_signed() -> None:
    with pytest.raises(CheckpointInvalid):
        verified(LINES, note(ROWS, 4).replace("\n4\n", "\n5\n"))


def test_a_file_that_is_something_else_is_refused_in_bounded_memory() -> None:
    report = verify_export((b"x" * 50 + b"\n" for _ in range(5_000)), KEYS)
    assert report.fault_count > 5_000
    assert len(report.faults) == 100
    assert not verify_export([], KEYS).is_sound
