"""`make policies`: what OPA itself checks of the Rego policies: format, strict compilation, tests that cover all of it.

OPA is found or fetched as everywhere else (`tools/programs.py`). Every check runs, so that one run tells all.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from settings import Settings
from tools.catalogue import OPA
from tools.programs import ProgramNotFoundError, explicit_path, resolve

ROOT = Path(__file__).parent.parent
CHECKS: tuple[tuple[str, ...], ...] = (
    ("fmt", "--fail", "--list"),
    ("check", "--strict", "--bundle"),
    ("test", "--bundle", "--coverage", "--threshold", "100"),
)
"""Arguments of `opa`; the directory of policies comes last."""


def failed_checks(opa: Path, root: Path) -> list[str]:
    """Run every check on `root`/policies, with OPA's own output, and return the command lines that failed."""
    failed = []
    for arguments in CHECKS:
        done = subprocess.run([str(opa), *arguments, "policies"], cwd=root, check=False)
        if done.returncode != 0:
            failed.append(" ".join(("opa", *arguments, "policies")))
    return failed


def main() -> int:
    """Check the repository's policies and return the exit status."""
    settings = Settings()
    try:
        opa = resolve(OPA, state_dir=settings.state_dir, explicit=explicit_path(settings.programs, OPA))
    except ProgramNotFoundError as cause:
        sys.stderr.write(f"{cause}\n")
        return 1
    failed = failed_checks(opa.path, ROOT)
    sys.stderr.writelines(f"failed: {one}\n" for one in failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
