"""Where a proof works: nothing is left of a run that was well, and everything of one that was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proofs.report import Report, exactly
from proofs.workplace import programs, workplace

WELL = Report("Nothing is lost (I5).", (exactly("requests lost", 0, 0),), again="python -m proofs.none")
WRONG = Report("Nothing is lost (I5).", (exactly("requests lost", 1, 0),), again="python -m proofs.none")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_after_a_report_that_holds_nothing_is_left(tmp_path: Path) -> None:
    with workplace("none") as place:
        (place.directory / "log").write_text("all is well")
        assert place.conclude(WELL, tmp_path / "report.json") == 0
    assert not place.directory.exists()
    assert json.loads((tmp_path / "report.json").read_text())["holds"] is True


def test_after_a_report_that_does_not_hold_the_directory_is_kept_and_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with workplace("none") as place:
        (place.directory / "log").write_text("lost")
        assert place.conclude(WRONG) == 1
    assert (place.directory / "log").read_text() == "lost"
    assert capsys.readouterr().out.endswith(f"what was left behind is in {place.directory}\n")


def test_after_an_error_the_directory_is_kept_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), workplace("none") as place:
        raise RuntimeError("it broke")
    assert place.directory.exists()
    assert str(place.directory) in capsys.readouterr().out


def test_whoever_interrupts_a_proof_wants_nothing_of_it() -> None:
    with pytest.raises(KeyboardInterrupt), workplace("none") as place:
        raise KeyboardInterrupt
    assert not place.directory.exists()


def test_the_programs_are_looked_for_once() -> None:
    assert programs() is programs()
    assert programs().temporal.is_file()
    assert programs().opa.is_file()
