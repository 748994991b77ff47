"""The machine and the versions that a published figure was taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from local.postgres import embedded_binaries
from settings import Settings
from tools.catalogue import PROGRAMS
from tools.programs import locate

_ROOT = Path(__file__).resolve().parent.parent
_LIBRARIES = ("temporalio", "sqlalchemy", "asyncpg", "pydantic", "langgraph")
_WRITTEN_MEANWHILE = (":!docs/figures", ":!docs/performance.md", ":!docs/reliability.md")


def described() -> dict[str, str]:
    """Return processor, cores, memory, kernel, Python, our commit, and what else matters for speed, with its version.

    A commit whose tree was changed ends with `+`.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "commit": _commit(),
        **{name: version(name) for name in _LIBRARIES},
        **_programs(),
        "postgresql": ", ".join(_postgres()),
    }


def _programs() -> dict[str, str]:
    state = Settings().state_dir
    searches = {name: locate(program, state_dir=state) for name, program in PROGRAMS.items()}
    return {name: str(one.found.version) for name, one in searches.items() if one.found is not None}


def _postgres() -> list[str]:
    """Return the version of the wheel's, and of each that Debian installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return [_said_by(str(binaries / "postgres"), "--version") for binaries in (embedded_binaries(), *debian)]


def _said_by(*command: str) -> str:
    asked = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    commit = _said_by("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    changed = _said_by("git", "status", "--porcelain", "--", ".", *_WRITTEN_MEANWHILE)
    return f"{commit}+" if changed else commit
