"""`make test`: every test, and the few that failed beside others once more, alone.

The tests drive real servers and browsers, several files side by side, often on two cores. What fails there and passes
alone was short of time; a defect fails twice. Both results stay in the output, so that a test which needs its second
chance is seen. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FEW = 3
"""More failures than this are nobody's bad luck, and are not run again."""
_FAILED = 1
"""pytest's status when all was run and something failed. Any other means that tests are missing from the result."""
_NOTES = Path(".pytest_cache") / "v" / "cache" / "lastfailed"


def main(arguments: list[str]) -> int:
    """Run pytest in the current directory with the arguments; return its status, or that of the second run."""
    status = _pytest("--cache-clear", *arguments)
    failed = _last_failed()
    if status != _FAILED or not 0 < len(failed) <= FEW:
        return status
    print(f"tests: {len(failed)} failed; once more, alone: {', '.join(failed)}", flush=True)
    again = _pytest("-v", *failed)
    print(
        f"tests: {'failed alone, too' if again else 'passed alone: look why it failed beside others'}",
        flush=True,
    )
    return again


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def _last_failed() -> list[str]:
    """Return the ids of the tests that failed; none where pytest wrote nothing."""
    try:
        return sorted(json.loads(_NOTES.read_text()))
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
