from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.launcher import write_launcher


def checkout(tmp_path: Path) -> tuple[Path, Path]:
    """A checkout below a directory with a blank in its name, and its virtual environment."""
    root = tmp_path / "a checkout"
    environment = root / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    (root / "cli").mkdir()
    (root / "cli" / "__init__.py").touch()
    (root / "cli" / "main.py").write_text(
        "import os, settings, sys\n"
        "def app():\n"
        "    print(settings.__file__, os.environ['PYTHONPATH'], sys.argv[1:], sep='\\n')\n"
    )
    (root / "settings.py").touch()
    return root, environment


def test_the_command_runs_the_checkout_from_any_directory(tmp_path: Path) -> None:
    root, environment = checkout(tmp_path)
    write_launcher(root, environment)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # A module of the same name where the person happens to stand must not be taken for ours.
    (elsewhere / "settings.py").write_text("raise SystemExit('shadowed')")
    command = [str(environment / "bin" / "sluice"), "proposals", "a b"]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [str(root / "settings.py"), str(root), "['proposals', 'a b']"]


def test_an_unchanged_command_is_not_written_again(tmp_path: Path) -> None:
    root, environment = checkout(tmp_path)
    assert write_launcher(root, environment)
    assert not write_launcher(root, environment)
