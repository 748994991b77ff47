"""The command `.venv/bin/sluice`. Standard library only: `make setup` runs this before anything is installed."""

from __future__ import annotations

from pathlib import Path

_TEMPLATE = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
# Written by `make setup`. Sluice runs from its checkout (docs/adr/0001-application-not-wheel.md).
import os
import sys

ROOT = {root!r}
sys.path[0] = ROOT
os.environ["PYTHONPATH"] = ROOT

from cli.main import app

app()
"""


def launcher_text(root: Path, python: Path) -> str:
    """A program that is shell and Python at once, since a `#!` line must be short and without blanks."""
    return _TEMPLATE.format(python=python, root=str(root))


def write_launcher(root: Path, environment: Path) -> bool:
    """Write `bin/sluice` into the virtual environment. Whether anything changed."""
    target = environment / "bin" / "sluice"
    text = launcher_text(root, environment / "bin" / "python")
    if target.exists() and target.read_text() == text:
        return False
    temporary = target.with_name(".sluice.new")
    temporary.write_text(text)
    temporary.chmod(0o755)
    temporary.replace(target)
    return True
