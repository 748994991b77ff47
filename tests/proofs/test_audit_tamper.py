"""A short export tampered with, and verifiers with a hole that the proof has to see; `make proof-audit` is the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.audit import verify
from adapters.audit.verify import verify_export
from proofs.audit_tamper import flips, rearranging
from proofs.audit_tamper.__main__ import Piece, work
from proofs.audit_tamper.command import Command
from proofs.audit_tamper.flips import Flip
from proofs.audit_tamper.log import made
from proofs.audit_tamper.rearranging import KINDS

LOG = made(24, 1, every=6)
OTHER = rearranging.other_than(LOG, 1)
ENTRY = 3


def test_the_log_itself_is_sound_with_its_kept_checkpoint() -> None:
    report = verify_export(LOG.lines, [LOG.signer.key], LOG.kept)
    assert (report.is_sound, report.entries, report.is_anchored) == (True, 24, True)


@pytest.mark.parametrize(
    "line", [0, ENTRY, 7, len(LOG.lines) - 1], ids=["head", "entry", "checkpoint", "end"]
)
def test_no_bit_of_a_line_can_be_flipped_unseen(line: int) -> None:
    count, passed = flips.overlooked(LOG, line)
    assert count == 8 * len(LOG.lines[line])
    assert [one for one in passed if not flips.whole(LOG, one)] == []


def test_the_whole_verifier_agrees_with_the_judgement_of_a_line() -> None:
    some = list(flips.of_line(LOG.lines[ENTRY], ENTRY))[::37]
    assert all(flips.whole(LOG, one) for one in some)


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[one.name for one in KINDS])
def test_each_way_to_rearrange_a_file_is_found(number: int) -> None:
    came = [rearranging.tried(LOG, OTHER, 1, number + len(KINDS) * again) for again in range(4)]
    assert all(one.is_found for one in came)
    assert all(one.is_found_alone is not KINDS[number].needs_kept for one in came)


def test_the_command_finds_a_flip_and_names_its_line(tmp_path: Path) -> None:
    command = Command(LOG, tmp_path)
    assert command.accepts()
    assert command.finds(Flip(ENTRY, 40, 2)) is None
    assert command.finds(Flip(0, 60, 0)) is None
    assert command.accepts()


def test_a_verifier_that_does_not_hash_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(flips, "entry_fault", lambda _: None)
    monkeypatch.setattr(verify, "entry_fault", lambda _: None)
    _, passed = flips.overlooked(LOG, ENTRY)
    assert any(not flips.whole(LOG, one) for one in passed)
    assert Command(LOG, tmp_path).finds(Flip(ENTRY, 40, 2)) == "exit status 0"


def test_a_verifier_that_takes_any_spelling_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "is_canonical", lambda _: True)
    number = next(at for at, one in enumerate(KINDS) if one.name.startswith("spelled otherwise"))
    assert not rearranging.tried(LOG, OTHER, 1, number).is_found


def test_a_verifier_that_takes_nothing_for_sound_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(flips.accepts(LOG, line) for line in range(len(LOG.lines)))
    monkeypatch.setattr(flips, "entry_fault", lambda _: "refused")
    [fault, *_] = work(Piece("flips", len(LOG.entries), 1, range(ENTRY, ENTRY + 1))).faults
    assert "refused before anything was changed" in fault
