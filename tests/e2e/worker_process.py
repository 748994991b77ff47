"""The product's own worker as a process that a test may kill: `sluice worker`, with nothing added to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.bound import bound_command
from tests.proposal_stack import KEY, ProposalStack

ROOT = Path(__file__).resolve().parent.parent.parent
START_LIMIT = 120.0


@dataclass
class WorkerProcess:
    """Start, kill and start again."""

    stack: ProposalStack
    database_url: str
    opa_url: str
    folder: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> None:
        """Start a worker and return when it polls."""
        ready = self.folder / f"ready-{len(self.processes)}"
        command = [sys.executable, "-c", "from cli.main import app; app()", "worker"]
        environment = self._environment() | {"SLUICE_READY_FILE": str(ready)}
        with (self.folder / "worker.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *bound_command(command), cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        for _ in range(int(START_LIMIT / 0.05)):
            if ready.exists():
                return
            if process.returncode is not None:
                break
            await asyncio.sleep(0.05)
        raise RuntimeError((self.folder / "worker.log").read_text()[-4_000:])

    async def kill(self) -> None:
        """End the newest worker with SIGKILL, as a lost machine does."""
        process = self.processes[-1]
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()

    async def stop(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _environment(self) -> dict[str, str]:
        keys = self.folder / "decision.pub"
        keys.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        client = self.stack.client
        settings = {
            "SLUICE_STATE_DIR": str(self.folder),
            "SLUICE_CONFIG": str(ROOT / "local" / "practice.yaml"),
            "SLUICE_DATABASE__URL": self.database_url,
            "SLUICE_TEMPORAL__ADDRESS": client.service_client.config.target_host,
            "SLUICE_TEMPORAL__NAMESPACE": client.namespace,
            "SLUICE_OPA__URL": self.opa_url,
            "SLUICE_GKE__MODE": "practice",
            "SLUICE_GKE__ENDPOINT": self.stack.fleet.address,
            "SLUICE_GKE__COMPUTE_ENDPOINT": self.stack.fleet.compute_url,
            "SLUICE_GKE__CALL_TIMEOUT": "PT2S",
            "SLUICE_GKE__POLL_INTERVAL": "PT0.2S",
            "SLUICE_KEYS__DECISION_PUBLIC": str(keys),
            "PYTHONPATH": str(ROOT),
        }
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
        return inherited | settings
