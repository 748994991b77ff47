"""Temporal's own server and its SQL tool, built through the Go module proxy like the other programs.

The dev server that Sluice ships keeps one history shard on one SQLite connection; it says nothing about capacity.
"""

from __future__ import annotations

import re
from pathlib import Path

from settings import Settings
from tools.catalogue import OPA, TEMPORAL, Program, Version
from tools.programs import explicit_path, resolve

_PINNED = "1.31.2"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def _program(name: str, package: str) -> Program:
    return Program(
        name=name,
        pinned=_PINNED,
        version_arguments=("--version",),
        version_pattern=_VERSION,
        judged="Temporal server",
        minimum=Version(1, 31, 0),
        flawed=(),
        package=package,
        link_flags="-s -w",
        setting="PATH",
        substitute="PATH",
        wrapper="temporal-server",
    )


TEMPORAL_SERVER = _program("temporal-server", "go.temporal.io/server/cmd/server")
TEMPORAL_SQL_TOOL = _program("temporal-sql-tool", "go.temporal.io/server/cmd/tools/sql")


def found(program: Program) -> Path:
    """Return the program, built into the cache the first time.

    Raises:
        ProgramNotFoundError: it is not there and cannot be built.
    """
    return resolve(program, state_dir=Settings().state_dir, progress=_say).path


def opa_program() -> Path:
    """Return OPA as every part of Sluice finds it."""
    return _shipped(OPA)


def dev_server_program() -> Path:
    """Return Temporal's command, which has the dev server, as every part of Sluice finds it."""
    return _shipped(TEMPORAL)


def _shipped(program: Program) -> Path:
    settings = Settings()
    explicit = explicit_path(settings.programs, program)
    return resolve(program, state_dir=settings.state_dir, explicit=explicit).path


def _say(text: str) -> None:
    if ": building" in f": {text}":
        print(text, flush=True)
