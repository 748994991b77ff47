"""Check `docker-compose.yml` without a Docker engine. Beside the path: it serves `make lint` and the tests.

The checker is Go (`tools/compose`, on the library that `docker compose` itself reads files with). It is built
once per version of its source into the cache of the state directory. The secrets that the file mounts are made
by `deploy/prepare.sh` into a temporary directory, so a secret that the script does not make is found.

`python -m tools.compose_check [FILE]` prints nothing and returns 0, or one fault per line and 1.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from settings import Settings
from tools.getting import GettingError, Progress, find_go

ROOT = Path(__file__).parent.parent
COMPOSE_FILE = ROOT / "docker-compose.yml"
PRACTICE = ROOT / "deploy" / "practice.env"
PREPARE = ROOT / "deploy" / "prepare.sh"

_SOURCE = Path(__file__).parent / "compose"
_SOURCES = ("go.mod", "go.sum", "main.go")
_BUILD_LIMIT = 600.0
_RUN_LIMIT = 60.0
_PASSED_ON = ("PATH", "HOME", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the checker says: no faults and the resolved project as JSON, or faults."""

    faults: tuple[str, ...]
    project: str


def checker(state_dir: Path, progress: Progress) -> Path:
    """The checker for the present source, built when the cache has none. Several processes may ask at once.

    Raises:
        GettingError: Go is missing, or the build failed; the message is the reason.
    """
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((_SOURCE / name).read_bytes())
    cache = state_dir / "programs"
    built = cache / f"compose-{digest.hexdigest()[:16]}" / "compose"
    if built.exists():
        return built
    go = find_go()
    if go is None:
        raise GettingError("Go is not installed: it is needed to build the checker of the Compose file")
    progress("building the checker of the Compose file; the first time takes a minute")
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".compose-", dir=cache) as work:
        candidate = Path(work) / "compose"
        command = [
            str(go), "build", "-C", str(_SOURCE), "-mod=readonly", "-trimpath", "-buildvcs=false",
            "-ldflags", "-s -w", "-o", str(candidate), ".",
        ]  # fmt: skip
        done = _run(command, {**os.environ, "CGO_ENABLED": "0"}, _BUILD_LIMIT)
        if done.returncode != 0:
            raise GettingError(
                f"the checker of the Compose file cannot be built: {done.stderr.strip()[-500:]}"
            )
        candidate.rename(built)
    return built


def prepare_secrets(directory: Path) -> None:
    """Let `deploy/prepare.sh` make its files in `directory`.

    Raises:
        GettingError: it failed; the message is the reason.
    """
    done = _run([str(PREPARE), str(directory)], _inherited(), _RUN_LIMIT)
    if done.returncode != 0:
        raise GettingError(f"deploy/prepare.sh failed: {done.stderr.strip()[-500:]}")


def practice_variables() -> dict[str, str]:
    """The variables of `deploy/practice.env`."""
    lines = (line.strip() for line in PRACTICE.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def check(program: Path, file: Path, variables: dict[str, str]) -> Outcome:
    """Run the checker on `file`. Only `variables` are there to be filled in."""
    done = _run([str(program), str(file)], {**_inherited(), **variables}, _RUN_LIMIT)
    if done.returncode == 0:
        return Outcome((), done.stdout)
    return Outcome(tuple(done.stderr.strip().splitlines()) or ("the checker gave no reason",), "")


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def _run(command: list[str], environment: dict[str, str], limit: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True, text=True, env=environment, timeout=limit, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as cause:
        raise GettingError(f"{Path(command[0]).name} does not run: {cause}") from cause


def main(arguments: list[str] | None = None) -> int:
    """Command line. 0 = no fault, 1 = faults, or the check cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.compose_check", description="Check a Compose file without a Docker engine."
    )
    parser.add_argument("file", nargs="?", type=Path, default=COMPOSE_FILE)
    file: Path = parser.parse_args(arguments).file
    try:
        program = checker(Settings().state_dir, lambda message: print(message, file=sys.stderr, flush=True))
        with tempfile.TemporaryDirectory() as secrets:
            prepare_secrets(Path(secrets))
            variables = {**practice_variables(), "SLUICE_DEPLOY_SECRETS": secrets}
            faults = check(program, file.absolute(), variables).faults
    except GettingError as cause:
        faults = (str(cause),)
    for fault in faults:
        print(f"{file.name}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
