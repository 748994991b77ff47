"""Local stack: what each child process gets as its environment.

Our own processes get every setting, spelled as `settings.py` reads it, with the addresses of the local parts in
place. Foreign programs get only what a program needs to run: no token, key or URL of ours.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from pathlib import Path

from pydantic import BaseModel, SecretStr, TypeAdapter

from settings import Settings

ROOT = Path(__file__).parent.parent
"""Where our top-level packages live."""

SluiceCommand = Callable[..., tuple[str, ...]]
"""Subcommand and arguments → command line of `sluice`."""

_PREFIX = "SLUICE_"
_FOREIGN = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_duration = TypeAdapter(timedelta)


def foreign_environment() -> dict[str, str]:
    """For programs that are not ours."""
    return {name: os.environ[name] for name in _FOREIGN if name in os.environ}


def own_environment(settings: Settings, **changes: str | None) -> dict[str, str]:
    """For our own processes: the caller's environment with `settings` spelled out in it.

    `changes` are by upper-case name without the prefix (`DATABASE__URL="…"`); None takes a setting away.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
    spelled = {_PREFIX + name: value for name, value in _spell(settings)}
    environment = {**inherited, **spelled, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    for name, value in changes.items():
        if value is None:
            environment.pop(_PREFIX + name, None)
        else:
            environment[_PREFIX + name] = value
    return environment


def _spell(group: BaseModel, prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name in type(group).model_fields:
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            pairs += _spell(value, f"{prefix}{name.upper()}__")
        elif value is not None:
            pairs.append((f"{prefix}{name.upper()}", _text(value)))
    return pairs


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, timedelta):
        return str(_duration.dump_python(value, mode="json"))
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, dict | tuple):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Command line of a module in this interpreter. `-P`: the working directory must not shadow our packages."""
    return (sys.executable, "-P", "-m", module, *arguments)


def sluice_command(*arguments: str) -> tuple[str, ...]:
    """Command line of `sluice …` in this interpreter."""
    return module_command("cli.main", *arguments)
