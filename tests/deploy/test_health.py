"""The health checks of the containers, against real servers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from deploy.health import UnhealthyError, check_http, check_worker

ROOT = Path(__file__).resolve().parents[2]


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@pytest.fixture
def http_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@activity.defn
async def nothing() -> None:
    """Gives a worker something to poll for."""


def test_a_server_that_answers_is_healthy(http_url: str) -> None:
    check_http(f"{http_url}/readyz")


def test_a_server_that_is_not_ready_is_unhealthy(http_url: str) -> None:
    with pytest.raises(UnhealthyError, match="503"):
        check_http(f"{http_url}/other")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["http", "http://127.0.0.1:1/readyz"], "http://127.0.0.1:1/readyz: "),
        (["worker", "sluice-main"], "Temporal does not answer: "),
        (["other"], "usage: "),
    ],
)
def test_the_check_as_a_program_tells_its_reason(arguments: list[str], reason: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "health.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHONPATH": str(ROOT), "SLUICE_TEMPORAL__ADDRESS": "127.0.0.1:1"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith(reason)
    assert done.stderr.count("\n") == 1


async def test_a_polling_worker_is_healthy_and_another_container_is_not(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TEMPORAL__ADDRESS", temporal_address)
    client = await Client.connect(temporal_address, identity="7@container-one")
    async with Worker(client, task_queue="health", activities=[nothing]):
        deadline = asyncio.get_running_loop().time() + 60
        while True:
            try:
                await check_worker("health", "container-one")
                break
            except UnhealthyError:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.1)
        with pytest.raises(UnhealthyError, match="container-two does not poll health"):
            await check_worker("health", "container-two")


async def test_a_worker_without_temporal_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_TEMPORAL__ADDRESS", "127.0.0.1:1")
    with pytest.raises(UnhealthyError, match="Temporal does not answer"):
        await check_worker("health", "container-one")
