"""The runner of the proofs: each in a process of its own, one table, and no promise kept by silence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from proofs.__main__ import main
from proofs.catalogue import PROOFS, Proof, Size
from proofs.figures import keep
from proofs.machine import described
from proofs.page import FIGURES
from proofs.suite import Outcome, run, summary

ROOT = Path(__file__).resolve().parents[2]


async def test_a_proof_that_ends_without_a_report_holds_nothing(tmp_path: Path) -> None:
    silent = Proof("silent", "proofs.report", quick=())
    [outcome] = await run([silent], tmp_path, lanes=1, size=Size.QUICK)
    assert not outcome.holds
    assert "| silent | ended without a report |" in summary([outcome])


async def test_what_takes_long_begins_first_and_is_told_in_its_place(tmp_path: Path) -> None:
    short, long, alone = (
        Proof("short", "proofs.report", quick=()),
        Proof("long", "proofs.report", quick=(), minutes=40),
        Proof("alone", "proofs.report", quick=(), is_alone=True),
    )
    ended: list[str] = []
    given = [alone, short, long]
    outcomes = await run(
        given, tmp_path, lanes=1, size=Size.QUICK, keep=lambda outcome: ended.append(outcome.name)
    )
    assert ended == ["long", "short", "alone"]
    assert [one.proof for one in outcomes] == given


async def test_a_proof_that_breaks_off_does_not_leave_its_last_figures_standing(tmp_path: Path) -> None:
    [broken] = await run([Proof("silent", "proofs.report", quick=())], tmp_path, lanes=1, size=Size.QUICK)
    figures = tmp_path / "figures.json"
    sound = {"figures": [{"name": "rounds", "value": "5", "wanted": "5", "holds": True}], "holds": True}
    figures.write_text(json.dumps({"silent": sound, "other": sound}))
    for _ in range(2):
        keep(figures, [broken], {})
    kept = json.loads(figures.read_text())
    assert kept["other"] == sound
    assert kept["silent"]["holds"] is False
    assert [one["value"] for one in kept["silent"]["figures"]] == ["5", "ended without a report"]


def test_a_short_form_is_not_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "--quick", "--figures", str(FIGURES)]) == 2
    assert "whole runs" in capsys.readouterr().err


def test_a_quick_proof_ends_in_the_table_and_in_the_file_of_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    figures.write_text('{"other": {"holds": true}}')
    given = ["budget", "--quick", "--scratch", str(tmp_path), "--figures", str(figures)]
    assert main(given) == 0
    assert "rounds with one winner: 20" in capsys.readouterr().out
    kept = json.loads(figures.read_text())
    assert kept["other"] == {"holds": True}
    assert kept["budget"]["holds"] is True
    assert kept["budget"]["command"] == "python -m proofs.last_unit --rounds 20"
    assert {"cores", "commit", "temporalio", "opa", "temporal", "postgresql"} <= kept["budget"][
        "machine"
    ].keys()


def test_a_figure_of_a_changed_tree_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proofs.machine._ROOT", tmp_path)
    for command in (
        ["git", "init", "-q"],
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    (tmp_path / "docs" / "figures" / "proofs.json").touch()
    assert described()["commit"].isalnum(), "figures are written meanwhile"
    (tmp_path / "worker.py").touch()
    assert described()["commit"].endswith("+")


def test_proofs_that_are_ended_end_what_they_have_started(tmp_path: Path) -> None:
    log = tmp_path / "budget.log"
    # Short, as the address of a socket must be, and open to the account that PostgreSQL runs under.
    scratch = Path(tempfile.mkdtemp(prefix="sluice-suite-"))
    scratch.chmod(0o755)
    suite = subprocess.Popen(
        [sys.executable, "-m", "proofs", "budget", "--scratch", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    until(lambda: any(scratch.glob("sluice-kp-*/e/run/.s.PGSQL.*")))
    suite.terminate()
    assert suite.wait(30) != 0
    assert not list(scratch.glob("sluice-kp-*")), log.read_text()
    shutil.rmtree(scratch)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_unknown_name_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-proof"]) == 2
    assert "there are budget" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "is_there"), [([], False), (["mutants"], True), (["--quick"], True)])
def test_the_proof_that_is_about_the_tests_runs_in_full_only_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], *, is_there: bool
) -> None:
    chosen: list[str] = []

    async def run(proofs: Sequence[Proof], *_: object, **__: object) -> list[Outcome]:
        chosen.extend(one.name for one in proofs)
        return []

    monkeypatch.setattr("proofs.__main__.run", run)
    monkeypatch.setattr("proofs.__main__.end_as_by_keyboard", lambda: None)
    assert main([*given, "--scratch", str(tmp_path)]) == 0
    assert ("mutants" in chosen) is is_there
    assert ("budget" in chosen) is (given != ["mutants"])


def test_a_size_that_a_proof_lacks_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "storm", "--long"]) == 2
    assert "no long form has storm" in capsys.readouterr().err


async def test_a_long_run_is_kept_beside_the_full_one(tmp_path: Path) -> None:
    both = Proof("silent", "proofs.report", long=())
    sizes = (Size.FULL, Size.LONG, Size.QUICK)
    outcomes = [one for size in sizes for one in await run([both], tmp_path, lanes=1, size=size)]
    assert [one.name for one in outcomes] == ["silent", "silent-long"]


def test_every_proof_has_a_name_of_its_own_and_a_program() -> None:
    assert len({one.name for one in PROOFS}) == len(PROOFS)
    for proof in PROOFS:
        path = ROOT / proof.module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), proof.name


def test_every_proof_has_a_test_that_runs_a_little_of_it() -> None:
    for proof in PROOFS:
        assert f"from {proof.module}" in (ROOT / proof.test).read_text(), proof.name
