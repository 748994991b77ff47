"""Fixtures that run the GKE emulator as its own process. Load with `pytest_plugins = ["tests.gke_fixtures"]`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators.gke.client import EmulatorAdmin
from emulators.gke.log import Calls, read_calls

ROOT = Path(__file__).resolve().parent.parent
FAST = {
    "pending": 0.05,
    "operation": 0.05,
    "node_start": 0.1,
    "node_stop": 0.05,
    "stagger": 0.0,
    "stockout": 0.3,
    "autoscaler": 0.4,
    "hang": 30.0,
}
_READY = re.compile(r"grpc=(?P<grpc>\S+) http=(?P<http>\S+)")


@dataclass
class RunningEmulator:
    """An emulator process: `address` host:port of gRPC, `compute_url` of Compute and admin calls."""

    log_path: Path
    state_path: Path
    fleet: str = "practice"
    address: str = ""
    compute_url: str = ""
    process: asyncio.subprocess.Process | None = None
    admin: EmulatorAdmin = field(init=False)

    def calls(self) -> Calls:
        """What the emulator says it served."""
        return read_calls(self.log_path)

    async def start(self) -> None:
        """Start the process; after a stop it comes back on the same ports with the same memory."""
        port, http_port = (part.rpartition(":")[2] or "0" for part in (self.address, self.compute_url))
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "emulators.gke", "--port", port, "--compute-port", http_port,
            "--fleet", self.fleet, "--log", str(self.log_path), "--state", str(self.state_path),
            cwd=ROOT, stderr=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stderr is not None
        line = (await asyncio.wait_for(self.process.stderr.readline(), 30)).decode()
        ready = _READY.search(line)
        assert ready, f"the emulator did not start: {line}"
        self.address, self.compute_url = ready["grpc"], ready["http"]
        self.admin = EmulatorAdmin(self.compute_url)

    async def kill(self) -> None:
        """End the process with SIGKILL."""
        await self._end(kill=True)

    async def stop(self) -> None:
        """End the process with SIGTERM."""
        await self._end(kill=False)

    async def _end(self, *, kill: bool) -> None:
        if self.process is None:
            return
        await self.admin.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill() if kill else self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 10)
        self.process = None


@pytest.fixture
async def practice_fleet(tmp_path: Path) -> AsyncIterator[RunningEmulator]:
    """The practice fleet in its own process, with short delays, on free ports."""
    emulator = RunningEmulator(log_path=tmp_path / "gke.jsonl", state_path=tmp_path / "gke.json")
    await emulator.start()
    await emulator.admin.settings(**FAST)
    yield emulator
    await emulator.stop()
