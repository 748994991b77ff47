"""What the image is made from: only what runs, pinned and hashed, as a user without rights."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
LET_IN = [
    line.removeprefix("!")
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line.startswith("!")
]


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def reaches_the_build(path: str) -> bool:
    return any(path == entry or path.startswith(f"{entry}/") for entry in LET_IN)


def test_the_build_sees_nothing_unless_it_is_named() -> None:
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"


def test_every_module_that_runs_reaches_the_build() -> None:
    runs = [
        path
        for path in tracked()
        if fnmatch(path, "*.py") and not path.startswith(("tests/", "benchmarks/", "evals/", "proofs/"))
    ]
    assert [path for path in runs if not reaches_the_build(path)] == []


@pytest.mark.parametrize(
    "path",
    ["deploy/secrets/database_url", ".git/config", ".env", "tests/conftest.py", ".venv/bin/python", "x.pem"],
)
def test_secrets_state_and_tests_never_reach_the_build(path: str) -> None:
    assert not reaches_the_build(path)


def test_every_base_image_is_pinned_to_a_python_patch_version() -> None:
    bases = [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM ")]
    assert len(bases) == 3
    assert set(bases) == {"python:3.11.15-slim-bookworm"}


def test_dependencies_are_hashed_wheels() -> None:
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:", "requirements/base.txt"):
        assert option in DOCKERFILE


def test_the_image_runs_without_rights_and_tells_its_health() -> None:
    assert "\nUSER 10001:10001\n" in DOCKERFILE
    assert "\nHEALTHCHECK " in DOCKERFILE
    assert DOCKERFILE.index("\nUSER ") > DOCKERFILE.rindex("\nCOPY ")


def test_no_secret_or_mode_is_baked_in() -> None:
    assert "SLUICE_GKE__MODE" not in DOCKERFILE
    assert "ARG " not in DOCKERFILE
