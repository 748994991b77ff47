"""The command line as a subprocess, against a whole local stack that `sluice up` started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.side_by_side import ends_with_its_unit

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 90.0
DEV = "acme-dev/us-central1/dev/default"
PROD = "acme-prod/europe-west4/serving/inference"


@dataclass
class Sluice:
    """Runs `sluice …` and keeps to one state directory."""

    state: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "cli.main", *arguments]

    def environ(self, **changes: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
        own = {"PYTHONPATH": str(ROOT), "SLUICE_STATE_DIR": str(self.state), "SLUICE_HTTP__PORT": "0"}
        return inherited | own | self.environment | changes

    def run(
        self, *arguments: str, by: str | None = None, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        who = ("--as", by) if by else ()
        return subprocess.run(
            self.command(*who, *arguments),
            env=self.environ(**environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def json(self, *arguments: str, by: str, expect: int = 0) -> Any:
        done = self.run(*arguments, "-o", "json", by=by)
        assert done.returncode == expect, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def sluice(tmp_path: Path) -> Sluice:
    """No stack: an empty state directory, and a port where nobody listens."""
    return Sluice(tmp_path, {"SLUICE_URL": "http://127.0.0.1:9"})


@pytest.fixture(scope="session")
def stack(stack_directory: Callable[[str], Path]) -> Iterator[Sluice]:
    """A running local stack with an empty practice fleet: no proposals yet."""
    state = stack_directory("cli") / "state"
    state.mkdir(mode=0o700)
    sluice = Sluice(state)
    log = state.with_name("up.log")
    with log.open("wb") as messages:
        process = subprocess.Popen(
            sluice.command("up", "--seed", "none", "-o", "json"),
            env=sluice.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    ends_with_its_unit(process.terminate)
    try:
        assert line, log.read_text()
        sluice.environment["TEST_UP_LINE"] = line
        yield sluice
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_LIMIT)
        process.stdout.close()
    assert process.returncode == 0, log.read_text()
