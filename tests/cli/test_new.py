"""`sluice new guardrail|policy`: what it writes works as it is, and it never touches what is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.opa.checks import flaws_of
from adapters.opa.sources import POLICIES
from cli.exit_codes import ExitCode
from cli.main import app

ROOT = Path(__file__).resolve().parents[2]


def sluice(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["new", *map(str, arguments)])


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "PYTEST_"))}
    environment = kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    done = sluice("guardrail", "large_pools", "--distribution", "acme-rules", "--directory", tmp_path)
    assert done.exit_code == ExitCode.OK, done.stderr
    return tmp_path / "acme-rules"


def test_a_new_guardrail_passes_its_own_tests_and_the_conformance_kit(made: Path) -> None:
    done = python(made, "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::Warning:pytest_asyncio")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


@pytest.mark.parametrize(
    "check", [("check", "--select", "E,F,W,I,UP,B,D1"), ("format", "--check")], ids=["rules", "form"]
)
def test_a_new_guardrail_is_clean_to_the_linter(made: Path, check: tuple[str, ...]) -> None:
    ignored = ("--per-file-ignores", "tests/**:D") if check[0] == "check" else ()
    done = python(
        made, "ruff", *check, *ignored, "--isolated", "--no-cache", "--config", "line-length=110", "."
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_installed_new_guardrail_is_found_under_its_full_name(made: Path, tmp_path: Path) -> None:
    """Its metadata as an installer writes it, from its pyproject.toml."""
    told = (made / "pyproject.toml").read_text()
    (entry,) = re.findall(r'^large_pools = "(.+)"$', told, re.MULTILINE)
    info = made / "src" / "acme_rules-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[sluice.guardrails]\nlarge_pools = {entry}\n")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from guardrails.discovery import discover\n"
        "print([(one.name, one.version) for one in discover()])\n"
    )
    (tmp_path / "finding.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "finding.py"), str(made / "src")],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == "[('acme-rules/large_pools', '0.1.0')]\n", done.stderr


def test_a_new_guardrail_names_its_distribution_after_the_rule_unless_told(tmp_path: Path) -> None:
    done = sluice("guardrail", "quiet_hours", "--directory", tmp_path, "--output", "json")
    assert json.loads(done.stdout)["name"] == "quiet-hours/quiet_hours"
    assert (tmp_path / "quiet-hours" / "src" / "quiet_hours" / "decision.py").is_file()


def test_the_next_steps_are_told_with_the_name_to_require(tmp_path: Path) -> None:
    done = sluice("guardrail", "quiet_hours", "--directory", tmp_path)
    assert "guardrails: {required: [quiet-hours/quiet_hours]}" in done.stderr


@pytest.mark.parametrize("what", ["folder", "file", "dangling link"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, what: str) -> None:
    place = tmp_path / "quiet-hours"
    if what == "folder":
        place.mkdir()
        (place / "pyproject.toml").write_text("mine")
    elif what == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "nowhere")
    before = contents(tmp_path)
    done = sluice("guardrail", "quiet_hours", "--directory", tmp_path)
    assert done.exit_code == ExitCode.USAGE
    assert "is there already; nothing was written" in done.stderr
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    ["Quiet", "quiet-hours", "quiet hours", "../out", "q", "2quiet", "class", "small_test", "$(id)", ""],
)
@pytest.mark.parametrize("kind", ["guardrail", "policy"])
def test_a_name_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, kind: str, name: str
) -> None:
    done = sluice(kind, "--directory", tmp_path, "--", name)
    assert done.exit_code == ExitCode.USAGE
    assert "is no name for a rule" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "distribution", ["Acme", "acme_rules", "acme--rules", "-acme", "acme/rules", "..", ""]
)
def test_a_distribution_is_named_in_normal_form(tmp_path: Path, distribution: str) -> None:
    done = sluice("guardrail", "tidy", f"--distribution={distribution}", "--directory", tmp_path)
    assert done.exit_code == ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("distribution", ["guardrails", "contracts", "settings", "json", "class"])
def test_a_package_that_could_not_be_imported_is_refused(tmp_path: Path, distribution: str) -> None:
    done = sluice("guardrail", "tidy", f"--distribution={distribution}", "--directory", tmp_path)
    assert done.exit_code == ExitCode.USAGE
    assert "could not be imported" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = sluice("guardrail", "tidy", "--directory", tmp_path / "file")
    assert done.exit_code == ExitCode.ERROR
    assert "cannot be written" in done.stderr


def test_a_new_policy_passes_every_check_as_it_is(tmp_path: Path, opa_binary: Path) -> None:
    source = tmp_path / "policies"
    shutil.copytree(POLICIES, source)
    done = sluice("policy", "frozen_label", "--directory", source)
    assert done.exit_code == ExitCode.OK, done.stderr
    assert flaws_of(opa_binary, source) == []


@pytest.mark.parametrize("name", ["region", "taken"])
def test_a_policy_that_is_there_is_never_overwritten(tmp_path: Path, name: str) -> None:
    source = tmp_path / "policies"
    shutil.copytree(POLICIES, source)
    (source / "taken").mkdir()
    before = contents(source)
    done = sluice("policy", name, "--directory", source)
    assert done.exit_code == ExitCode.USAGE
    assert "already; nothing was written" in done.stderr
    assert contents(source) == before


def test_a_policy_goes_into_a_directory_of_policies_only(tmp_path: Path) -> None:
    done = sluice("policy", "tidy", "--directory", tmp_path)
    assert done.exit_code == ExitCode.USAGE
    assert "has no main.rego" in done.stderr


def test_the_how_to_shows_the_files_as_they_are_made(made: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-guardrail.md").read_text()
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    files = ("src/acme_rules/decision.py", "tests/test_decision.py")
    assert shown == [(made / file).read_text() for file in files]
