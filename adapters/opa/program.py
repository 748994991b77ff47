"""Runs the `opa` program for what its server does not do: checks, tests, bundles. Never on the path of a proposal."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ConfigurationInvalid

TIMEOUT = 120.0
"""Seconds. Packing takes a tenth of one; tests of many policies may take several."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a run said. `output` is standard output, `complaint` that and standard error after it."""

    status: int
    output: str
    complaint: str


def run_opa(opa: Path, arguments: Sequence[str], *, directory: Path) -> Done:
    """Run `opa` with these arguments in `directory`.

    Raises:
        ConfigurationInvalid: it cannot be started, or does not end in time.
    """
    try:
        done = subprocess.run(
            [str(opa), *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationInvalid(f"opa {arguments[0]}: {type(error).__name__}") from error
    complaint = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
    return Done(done.returncode, done.stdout, complaint)
