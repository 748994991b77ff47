"""A log whose audit key was replaced: what the old key signed is believed when it is named beside the new one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from adapters.audit.checkpoint import CheckpointSigner
from adapters.audit.export import CheckpointLine, Entry, Footer, Header, entry_line, line_of
from adapters.audit.merkle import Tree, leaf_hash
from cli.main import app
from tests.cli.canned import Canned, serving

LEAVES = (b'{"said":"before"}', b'{"said":"after"}')


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two entries, each under a checkpoint of another key; the keys are beside the file."""
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "state"))
    tree, lines = Tree(), []
    for number, (leaf, name) in enumerate(zip(LEAVES, ("old", "new"), strict=True)):
        signer = CheckpointSigner(Ed25519PrivateKey.generate())
        (tmp_path / f"{name}.pub").write_text(signer.key.encode())
        tree.append(leaf_hash(leaf))
        note = signer.sign(tree.size, tree.root())
        lines += [
            entry_line(Entry(number, leaf, leaf_hash(leaf))),
            line_of(CheckpointLine(checkpoint=note, previous=number)),
        ]
    head, foot = Header(origin=signer.key.name, size=2, tail=0), Footer(size=2, tail=0)
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"".join([line_of(head), *lines, line_of(foot)]))
    return file


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    with serving(monkeypatch) as served:
        yield served


def verify(log: Path, *names: str) -> tuple[int, str]:
    keys = [word for name in names for word in ("--key", str(log.with_name(f"{name}.pub")))]
    done = CliRunner().invoke(app, ["audit", "verify", "--file", str(log), *keys])
    return done.exit_code, done.output


def test_a_log_is_sound_under_the_old_key_and_the_new_one(log: Path) -> None:
    code, told = verify(log, "old", "new")
    assert (code, "SOUND: 2 of 2 entries proved" in told) == (0, True), told


@pytest.mark.parametrize("name", ["old", "new"])
def test_one_key_alone_does_not_vouch_for_what_the_other_signed(log: Path, name: str) -> None:
    code, told = verify(log, name)
    assert (code, "bad_signature" in told) == (7, True), told


def test_a_key_that_nobody_named_is_told_for_the_log_may_be_of_another_installation(
    log: Path, tmp_path: Path
) -> None:
    local = tmp_path / "state" / "keys" / "audit.pub"
    local.parent.mkdir(parents=True)
    local.write_bytes(log.with_name("new.pub").read_bytes())
    code, told = verify(log)
    assert (code, f"the key is {local}" in told) == (7, True), told
    assert "the key is" not in verify(log, "old", "new")[1]


def test_without_a_key_every_key_that_the_server_names_is_believed(log: Path, canned: Canned) -> None:
    old, new = (log.with_name(f"{name}.pub").read_text() for name in ("old", "new"))
    canned.answers["GET /v1/audit/export"] = (200, log.read_bytes())
    canned.answers["GET /v1/audit/checkpoint"] = (200, {"verifier_key": new, "former_keys": [old]})
    done = canned.run("audit", "verify")
    assert (done.exit_code, "SOUND: 2 of 2 entries proved" in done.output) == (0, True), done.output
    canned.answers["GET /v1/audit/checkpoint"] = (200, {"verifier_key": new, "former_keys": []})
    assert canned.run("audit", "verify").exit_code == 7
