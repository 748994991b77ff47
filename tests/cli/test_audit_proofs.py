"""`sluice audit prove`, `verify --proof` and `checkpoint --since`: nothing is kept, or called sound, that is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapters.audit.export import Entry
from adapters.audit.merkle import leaf_hash
from adapters.audit.proof import MAX_PROOF
from cli.main import app
from tests.adapters.audit.test_proof import SIGNER, STRANGER, Log
from tests.cli.canned import Canned, serving

PROOF = "GET /v1/audit/events/4/proof"
GROWTH = "GET /v1/audit/consistency"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files are: the key, a proof of entry 4 of 6, and the checkpoint it is under."""
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "audit.pub").write_text(SIGNER.key.encode())
    (tmp_path / "stranger.pub").write_text(STRANGER.key.encode())
    (tmp_path / "proof").write_bytes(Log(6).proof(4).encode())
    (tmp_path / "kept").write_text(Log(6).note())
    return tmp_path


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    with serving(monkeypatch) as served:
        yield served


def options(files: Path, **named: str) -> list[str]:
    return [word for option, name in named.items() for word in (f"--{option}", str(files / name))]


def verify(files: Path, *more: str, **named: str) -> Result:
    given = {"proof": "proof", "key": "audit.pub"} | named
    return CliRunner().invoke(app, ["audit", "verify", *options(files, **given), *more])


def grown(log: Log, old: int) -> tuple[int, Any]:
    key = {"verifier_key": SIGNER.key.encode(), "former_keys": []}
    return 200, {"old": old, "checkpoint": {"note": log.note()} | key, "path": log.path_from(old)}


def refusal(status: int, code: str) -> tuple[int, Any]:
    return status, {"reason_code": code, "detail": "No.", "title": "No"}


def test_a_proof_is_sound_and_the_entry_is_shown(files: Path) -> None:
    done = verify(files)
    assert done.exit_code == 0, done.output
    assert done.stdout == '{"said":"done","step":4}\n'
    assert "SOUND: this is entry 4 of the first 6 of sluice.test/audit, with no checkpoint" in done.stderr
    assert "is not proved" in done.stderr
    assert "with a checkpoint kept elsewhere" in verify(files, checkpoint="kept").stderr


def test_a_program_reads_the_same(files: Path) -> None:
    said = json.loads(verify(files, "-o", "json", checkpoint="kept").stdout)
    assert said == {
        "sound": True,
        "number": 4,
        "origin": "sluice.test/audit",
        "size": 6,
        "anchored": True,
        "entry": {"said": "done", "step": 4},
    }
    (files / "proof").write_bytes(b"")
    done = verify(files, "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["sound"]) == (7, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"step":4', b'"step":5'),
        (b'"number":4', b'"number":5'),
        (b"index 4", b"index 5"),
        (b"audit\n6\n", b"audit\n7\n"),
        (b"\n\n", b"\n"),
    ],
    ids=["entry", "number", "index", "size", "no checkpoint"],
)
def test_a_proof_that_was_touched_is_not_sound(files: Path, old: bytes, new: bytes) -> None:
    (files / "proof").write_bytes((files / "proof").read_bytes().replace(old, new, 1))
    done = verify(files)
    assert (done.exit_code, done.stdout, "NOT SOUND: " in done.stderr) == (7, "", True), done.output


def test_a_proof_in_a_key_that_is_not_trusted_or_against_another_history_is_not_sound(files: Path) -> None:
    assert verify(files, key="stranger.pub").exit_code == 7
    (files / "kept").write_text(Log(6, rewritten=5).note())
    done = verify(files, checkpoint="kept")
    assert (done.exit_code, "NOT SOUND: the first 6 entries are not those" in done.stderr) == (7, True)
    (files / "kept").write_text("three words only\n")
    assert verify(files, checkpoint="kept").exit_code == 7


@pytest.mark.parametrize("content", [b"\x00\xff" * 100, b"\x1b[2J\n" * 9, b"7" * (MAX_PROOF + 2)])
def test_a_file_that_is_no_proof_is_told_in_one_line(files: Path, content: bytes) -> None:
    (files / "proof").write_bytes(content)
    done = verify(files)
    assert (done.exit_code, done.stderr.count("\n"), "\x1b" in done.output) == (7, 1, False)


def test_a_proof_takes_a_key_and_a_file_of_its_own(files: Path) -> None:
    without = CliRunner().invoke(app, ["audit", "verify", *options(files, proof="proof")])
    assert (without.exit_code, "no key to verify with" in without.stderr) == (2, True)
    assert verify(files, proof="nowhere").exit_code == 2
    assert verify(files, proof=".").exit_code == 2
    assert verify(files, file="proof").exit_code == 2


def test_hostile_words_of_an_entry_do_not_reach_the_terminal(files: Path) -> None:
    said = '{"said":"\u202e\u009b2J"}'.encode()
    alone = replace(Log(1).proof(0), entry=Entry(0, said, leaf_hash(said)))
    sound = replace(alone, note=SIGNER.sign(1, leaf_hash(said)))
    (files / "proof").write_bytes(sound.encode())
    done = verify(files)
    assert (done.exit_code, done.stdout) == (0, '{"said":"<U+202E><U+009B>2J"}\n')


def test_an_entry_is_kept_with_its_proof_and_verifies_without_the_server(files: Path, canned: Canned) -> None:
    canned.answers[PROOF] = (200, Log(6).proof(4).encode())
    key = options(files, key="audit.pub")
    done = canned.run("audit", "prove", "4", "--file", str(files / "mine"), *key)
    assert (done.exit_code, "SOUND: this is entry 4" in done.stderr) == (0, True), done.output
    assert (files / "mine").read_bytes() == Log(6).proof(4).encode()
    assert canned.run("audit", "prove", "4", *key).stdout_bytes == Log(6).proof(4).encode()
    assert verify(files, proof="mine").exit_code == 0


def test_a_proof_is_asked_for_under_the_checkpoint_that_was_kept(files: Path, canned: Canned) -> None:
    canned.answers[PROOF] = (200, Log(6).proof(4).encode())
    kept = options(files, key="audit.pub", checkpoint="kept")
    assert canned.run("audit", "prove", "4", *kept).exit_code == 0
    assert canned.asked[-1].query == {"size": ["6"]}
    canned.answers[PROOF] = (200, Log(7).proof(4).encode())
    assert canned.run("audit", "prove", "4", *kept).exit_code == 7
    canned.asked.clear()
    assert canned.run("audit", "prove", "6", *kept).exit_code == 2
    assert canned.asked == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, Log(6).proof(3).encode()), 7),
        ((200, replace(Log(6).proof(4), note=Log(6).note(STRANGER)).encode()), 7),
        ((200, Log(6).proof(4).encode().replace(b"done", b"none")), 7),
        ((200, b"\n" * (MAX_PROOF + 2)), 7),
        (refusal(404, "event_not_found"), 1),
        (refusal(404, "checkpoint_not_found"), 7),
        (refusal(409, "audit_log_cut_off"), 7),
    ],
    ids=["another entry", "another key", "changed", "too long", "no entry", "no checkpoint", "cut off"],
)
def test_what_is_not_proved_is_not_kept(
    files: Path, canned: Canned, answer: tuple[int, Any], code: int
) -> None:
    canned.answers[PROOF] = answer
    mine = files / "mine"
    done = canned.run("audit", "prove", "4", "--file", str(mine), *options(files, key="audit.pub"))
    assert (done.exit_code, mine.exists()) == (code, False), done.output


def test_a_checkpoint_that_extends_the_kept_one_is_printed_alone(files: Path, canned: Canned) -> None:
    canned.answers[GROWTH] = grown(Log(9), 6)
    done = canned.run("audit", "checkpoint", *options(files, since="kept", key="audit.pub"))
    assert (done.exit_code, done.stdout) == (0, Log(9).note()), done.output
    assert "SOUND: the log begins with the 6 entries that it had, and has 9" in done.stderr
    assert [(one.path, one.query) for one in canned.asked] == [("/v1/audit/consistency", {"old": ["6"]})]


def test_without_a_key_of_ones_own_it_is_told_that_the_server_is_trusted(files: Path, canned: Canned) -> None:
    canned.answers["GET /v1/audit/checkpoint"] = (200, grown(Log(9), 6)[1]["checkpoint"])
    canned.answers[GROWTH] = grown(Log(9), 6)
    done = canned.run("audit", "checkpoint", *options(files, since="kept"))
    assert (done.exit_code, "the key comes from the server" in done.stderr) == (0, True), done.output
    canned.answers["GET /v1/audit/checkpoint"] = (200, {"verifier_key": "none", "former_keys": []})
    assert canned.run("audit", "checkpoint", *options(files, since="kept")).exit_code == 7


NOT_GROWN: dict[str, tuple[int, Any]] = {
    "rolled back": grown(Log(5), 5),
    "rolled back, and told by the server": refusal(404, "checkpoint_not_found"),
    "cut off, and told by the server": refusal(409, "audit_log_cut_off"),
    "rewritten": grown(Log(9, rewritten=3), 6),
    "the path of another size": (200, grown(Log(9), 6)[1] | {"path": Log(9).path_from(5)}),
    "no path": (200, grown(Log(9), 6)[1] | {"path": None}),
    "a path of numbers": (200, grown(Log(9), 6)[1] | {"path": [1]}),
    "another key": (200, grown(Log(9), 6)[1] | {"checkpoint": {"note": Log(9).note(STRANGER)}}),
    "no note": (200, grown(Log(9), 6)[1] | {"checkpoint": {"note": None}}),
    "no checkpoint": (200, {"path": []}),
    "a list": (200, []),
}


@pytest.mark.parametrize("answer", NOT_GROWN.values(), ids=NOT_GROWN)
def test_of_a_log_that_did_not_only_grow_no_checkpoint_is_printed(
    files: Path, canned: Canned, answer: tuple[int, Any]
) -> None:
    canned.answers[GROWTH] = answer
    done = canned.run("audit", "checkpoint", *options(files, since="kept", key="audit.pub"))
    assert (done.exit_code, done.stdout, "Traceback" in done.output) == (7, "", False), done.output


def test_a_kept_checkpoint_that_nobody_signed_is_refused_before_the_server_is_asked(
    files: Path, canned: Canned
) -> None:
    (files / "kept").write_text(Log(6).note(STRANGER))
    done = canned.run("audit", "checkpoint", *options(files, since="kept", key="audit.pub"))
    assert (done.exit_code, done.stdout, canned.asked) == (7, "", [])
    assert canned.run("audit", "checkpoint", *options(files, since="nowhere", key="audit.pub")).exit_code == 2
    assert canned.run("audit", "checkpoint", *options(files, key="audit.pub")).exit_code == 2
