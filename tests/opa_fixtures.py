"""A real OPA for tests, over a snapshot of the policies. Name the fixtures you want in your folder's conftest.py."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.opa.engine import OpaPolicyEngine
from local.bound import bound_command
from local.opa import POLICIES, server_command, snapshot_policies

TIMEOUT = timedelta(seconds=30)


def is_listening(path: Path) -> bool:
    """Tell whether a connection to a unix socket is taken: its file is there a little earlier."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


@contextmanager
def running_opa(binary: Path, source: Path = POLICIES) -> Iterator[str]:
    """Start OPA over the policies in `source`; yield its `unix://` address."""
    with opa_process(binary, source) as (address, _):
        yield address


@contextmanager
def opa_process(binary: Path, source: Path = POLICIES) -> Iterator[tuple[str, int]]:
    """The same; yield its process id, too."""
    # A short path: a socket's has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="sluice-opa-") as folder:
        address = Path(folder) / "s"
        snapshot_policies(Path(folder) / "policies", source)
        command = bound_command(server_command(binary, policies=Path(folder) / "policies", socket=address))
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + 60
            while not is_listening(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("OPA did not start")
                time.sleep(0.02)
            yield f"unix://{address}", process.pid
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture(scope="session")
def opa_url(opa_binary: Path) -> Iterator[str]:
    """Address of an OPA with the repository's policies."""
    with running_opa(opa_binary) as url:
        yield url


@pytest.fixture
async def policy_engine(opa_url: str) -> AsyncIterator[OpaPolicyEngine]:
    engine = OpaPolicyEngine(opa_url, timeout=TIMEOUT)
    yield engine
    await engine.close()
