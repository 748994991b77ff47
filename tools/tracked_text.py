"""Lint: no tracked file names a package registry's host or a path of one machine.

Requirements and lock files are resolved by each machine's own settings; a host name in them would override those.
Run by `make lint` as `python -m tools.tracked_text`; exits 1 and lists every place.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_HOSTS = "|".join(
    (
        "py" + "pi",
        "python" + "hosted",
        "go" + "lang",
        "npm" + "js",
        "ma" + "ven",
        "cra" + "tes",
        "de" + "bian",
    )
)
_PATTERNS = (
    ("a package registry's host", re.compile(rf"https?://[a-z0-9.-]*({_HOSTS})[a-z0-9.-]*", re.IGNORECASE)),
    ("a path of one machine", re.compile(r"(?<![\w./-])/(work|farm|root|home/\w+)/")),
)
_LIMIT = 2_000_000


def places(root: Path) -> list[str]:
    """Return `file:line: what` for every offence in the tracked files under `root`."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = root / name
        if not path.is_file() or path.stat().st_size > _LIMIT:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            found += [f"{name}:{number}: {what}" for what, pattern in _PATTERNS if pattern.search(line)]
    return found


def main() -> int:
    """Print the places and return the exit status."""
    found = places(ROOT)
    sys.stdout.writelines(f"{place}\n" for place in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
