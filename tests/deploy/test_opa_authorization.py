"""What OPA lets a caller do when it runs as in the Compose file: ask, and nothing else."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
RULE = "package sluice.sample\n\nanswer := 42\n"


@pytest.fixture(scope="module")
def opa(
    opa_binary: Path, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    policies = tmp_path_factory.mktemp("policies")
    (policies / "sample.rego").write_text(RULE)
    port = free_port()
    command = [
        str(opa_binary), "run", "--server", f"--addr=127.0.0.1:{port}", "--authorization=basic",
        "--log-level=error", "--skip-version-check", str(policies), str(ROOT / "deploy/opa/authorization.rego"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _wait(client)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def _wait(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if client.get("/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("OPA did not start")


def test_decisions_can_be_asked_for(opa: httpx.Client) -> None:
    assert opa.post("/v1/data/sluice/sample/answer", json={"input": {}}).json()["result"] == 42
    assert opa.get("/v1/data/sluice/sample").json()["result"] == {"answer": 42}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/policies/sample"),
        ("DELETE", "/v1/policies/sample"),
        ("GET", "/v1/policies"),
        ("PUT", "/v1/data/sluice/bundle/revision"),
        ("PATCH", "/v1/data/sluice"),
        ("POST", "/v1/query"),
        ("POST", "/v1/compile"),
        ("GET", "/v1/data/system"),
        ("GET", "/v1/config"),
    ],
)
def test_nothing_else_is_allowed(opa: httpx.Client, method: str, path: str) -> None:
    assert opa.request(method, path, content=b"{}").status_code == httpx.codes.UNAUTHORIZED
    assert opa.get("/v1/data/sluice/sample/answer").json()["result"] == 42
