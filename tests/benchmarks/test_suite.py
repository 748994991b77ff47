"""What `make bench` runs, keeps and says."""

from __future__ import annotations

import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

import benchmarks.__main__ as suite
from benchmarks.catalogue import ONLY_WHERE_NAMED
from benchmarks.page import FIGURES, ROOT
from benchmarks.report import Result, conclude, timed_at_most
from proofs.catalogue import Proof


@pytest.mark.parametrize("name", sorted(ONLY_WHERE_NAMED))
def test_a_benchmark_that_make_bench_leaves_out_is_published_by_its_own_target(name: str) -> None:
    command = ["make", "-n", f"bench-{name}"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"-m benchmarks {name} --figures {FIGURES.relative_to(ROOT)}" in planned


def test_a_short_form_is_not_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert suite.main(["guard", "--quick", "--figures", str(FIGURES)]) == 2
    assert "whole runs" in capsys.readouterr().err


def test_a_missed_target_is_no_broken_promise(capsys: pytest.CaptureFixture[str]) -> None:
    missed = Result("How long?", [timed_at_most("the whole command", 70.0, 60.0, " s")], again="again")
    assert conclude(missed, Namespace(quick=False, report=None)) == 1
    assert "A TARGET IS MISSED after 0 s; again: again" in capsys.readouterr().out


def test_the_table_at_the_end_is_one_of_benchmarks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "BENCHMARKS", [Proof("silent", "proofs.report", is_alone=True)])
    assert suite.main(["silent", "--scratch", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "silent: ended without a report after" in said
    assert "| benchmark | question | figures | minutes | targets kept |" in said
