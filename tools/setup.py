"""`make setup`: virtual environment, hash-checked dependencies, the `sluice` command, Temporal, OPA, the UI's files.

Standard library only, since it runs on a bare Python. What did not change since the last run is not done again.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools.launcher import write_launcher

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
_STAMP = ".sluice-requirements"
_REQUIREMENTS = ("base.txt", "dev.txt")


class SetupError(Exception):
    """Setup cannot go on; the message says what to do."""


def set_up(root: Path, environment: Path) -> None:
    """Do every step, or those that are due. Raises `SetupError`."""
    if sys.version_info < MINIMUM:
        raise SetupError(
            f"Python {MINIMUM[0]}.{MINIMUM[1]} or newer is needed, this is {sys.version.split()[0]}"
        )
    began = time.monotonic()
    _create_environment(environment)
    _install(root, environment)
    _say(
        "command: "
        + ("written to " if write_launcher(root, environment) else "")
        + f"{environment}/bin/sluice"
    )
    _say("programs: looking for Temporal and OPA")
    python = str(environment / "bin" / "python")
    if subprocess.call([python, "-m", "tools.programs"], cwd=root, stdout=subprocess.DEVNULL) != 0:
        raise SetupError("a program is missing, see above")
    if subprocess.call([python, "-m", "tools.assets"], cwd=root) != 0:
        raise SetupError("the web UI's files could not be built, see above")
    _say(f"set up in {time.monotonic() - began:.1f} s")


def requirements_digest(root: Path, python_version: str) -> str:
    """What the stamp holds: it changes when a requirement or the Python does."""
    digest = hashlib.sha256(python_version.encode())
    for name in _REQUIREMENTS:
        digest.update((root / "requirements" / name).read_bytes())
    return digest.hexdigest()


def _create_environment(environment: Path) -> None:
    python = environment / "bin" / "python"
    if _starts(python):
        _say(f"virtual environment: {environment}")
        return
    _say(f"virtual environment: creating {environment} with Python {sys.version.split()[0]}")
    if subprocess.call([sys.executable, "-m", "venv", "--clear", str(environment)]) != 0:
        shutil.rmtree(environment, ignore_errors=True)
        raise SetupError("`python -m venv` failed: on Debian and Ubuntu install the package python3-venv")


def _starts(python: Path) -> bool:
    return python.exists() and subprocess.call([str(python), "-c", ""], stderr=subprocess.DEVNULL) == 0


def _install(root: Path, environment: Path) -> None:
    stamp = environment / _STAMP
    wanted = requirements_digest(root, sys.version)
    if stamp.exists() and stamp.read_text() == wanted:
        _say("dependencies: unchanged")
        return
    _say("dependencies: installing what requirements/dev.txt pins by hash")
    command = [
        str(environment / "bin" / "python"), "-m", "pip", "install", "--no-input", "--progress-bar", "off",
        "--disable-pip-version-check", "--require-hashes", "-r", str(root / "requirements" / "dev.txt"),
    ]  # fmt: skip
    if _run_pip(command) != 0:
        raise SetupError("pip could not install the dependencies: is its package index reachable from here?")
    stamp.write_text(wanted)


def _run_pip(command: list[str]) -> int:
    """Run pip and show its steps without the long tail of every line; its errors go to stderr as they are."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        for line in pip.stdout or ():
            if line.startswith(("Collecting ", "Installing ")):
                _say("dependencies: " + " ".join(line.split()[:2]))
    return pip.returncode


def _say(message: str) -> None:
    print(f"setup: {message}", flush=True)


def main() -> int:
    """Command line. 0 when all is set up, 1 otherwise."""
    try:
        set_up(ROOT, ROOT / ".venv")
    except SetupError as cause:
        print(f"setup: {cause}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
