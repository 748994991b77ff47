"""Fixtures that run the GKE emulator. Name the one you want in your folder's conftest.py:

    from tests.gke_fixtures import practice_fleet
    __all__ = ["practice_fleet"]

`practice_fleet` is a process of its own, `local_fleet` runs inside the test's process and is much faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators.gke.client import EmulatorAdmin
from emulators.gke.log import Calls, read_calls
from emulators.gke.server import Emulator, Options
from local.bound import bound_command
from local.ports import free_port

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
    """A running emulator: `address` host:port of gRPC, `compute_url` of Compute and admin calls."""

    log_path: Path
    address: str = ""
    compute_url: str = ""
    admin: EmulatorAdmin = field(init=False)

    def calls(self) -> Calls:
        """What the emulator says it served."""
        return read_calls(self.log_path)


@dataclass
class EmulatorProcess(RunningEmulator):
    """An emulator in its own process, which can be killed and started again."""

    state_path: Path = Path()
    fleet: str = "practice"
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Start the process; after a stop it comes back on the same ports with the same memory."""
        kept = (part.rpartition(":")[2] for part in (self.address, self.compute_url))
        port, http_port = (one or str(free_port()) for one in kept)
        self.process = await asyncio.create_subprocess_exec(
            *bound_command([
                sys.executable, "-m", "emulators.gke", "--port", port, "--compute-port", http_port,
                "--fleet", self.fleet, "--log", str(self.log_path), "--state", str(self.state_path),
            ]),
            cwd=ROOT, stderr=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stderr is not None
        line = (await asyncio.wait_for(self.process.stderr.readline(), 90)).decode()
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
        await asyncio.wait_for(self.process.wait(), 60)
        self.process = None


@pytest.fixture
async def practice_fleet(tmp_path: Path) -> AsyncIterator[EmulatorProcess]:
    """The practice fleet in its own process, with short delays, on free ports."""
    emulator = EmulatorProcess(log_path=tmp_path / "gke.jsonl", state_path=tmp_path / "gke.json")
    await emulator.start()
    await emulator.admin.settings(**FAST)
    yield emulator
    await emulator.stop()


@asynccontextmanager
async def emulated(log: Path, clock: Callable[[], float] = time.time) -> AsyncIterator[RunningEmulator]:
    """Run the practice fleet in this process, in the time of `clock`."""
    emulator = await Emulator.start(Options(log=log))
    emulator.service.cloud._clock = clock
    running = RunningEmulator(log, emulator.address, emulator.compute_url)
    running.admin = EmulatorAdmin(running.compute_url)
    await running.admin.settings(**FAST)
    yield running
    await running.admin.close()
    await emulator.stop()


@pytest.fixture
async def local_fleet(tmp_path: Path) -> AsyncIterator[RunningEmulator]:
    """The same in this process: starts in milliseconds, cannot be killed."""
    async with emulated(tmp_path / "gke.jsonl") as running:
        yield running
