"""A worker that was not told which provider it may change does not run at all."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from local.environment import module_command
from tests.e2e import processes
from tests.e2e.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORKER = module_command("cli.main", "worker")


@pytest.mark.parametrize("mode", [None, "", "dry"])
async def test_a_worker_without_a_gke_mode_refuses_to_start_and_says_what_is_missing(
    stack: Stack, mode: str | None
) -> None:
    """Everything else is set as for the worker beside it."""
    pid = stack.pid("worker")
    assert pid is not None
    environment = processes.environment(pid)
    del environment["SLUICE_GKE__MODE"]
    environment["SLUICE_READY_FILE"] = str(stack.state_dir / "refused.ready")
    if mode is not None:
        environment["SLUICE_GKE__MODE"] = mode
    run = await asyncio.to_thread(
        subprocess.run, WORKER, env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode not in (0, None)
    assert "GKE" in run.stderr.upper()
    assert "mode" in run.stderr.lower()
    assert "Traceback" not in run.stderr
    assert not (stack.state_dir / "refused.ready").exists()
