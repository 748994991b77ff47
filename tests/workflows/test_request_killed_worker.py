"""The product's own worker is killed while the model is answering: the request still comes to its one outcome."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.store import requests
from adapters.store.database import Database
from adapters.temporal.gateway import TemporalGateway
from contracts.messages import RequestInput, request_workflow_id
from contracts.progress import RequestProgress
from contracts.request import RequestStatus
from local.bound import bound_command
from settings import TemporalSettings
from tests import openai_server
from tests.gke_fixtures import RunningEmulator
from tests.opa_fixtures import opa_url
from tests.openai_server import KEY as MODEL_KEY
from tests.openai_server import ChatServer, chat_server
from tests.proposal_stack import KEY
from tests.request_stack import request_of

__all__ = ["chat_server", "opa_url"]

ROOT = Path(__file__).resolve().parents[2]
ANSWER = openai_server.calling(
    (
        "finish",
        {"outcome": "answered", "text": "It runs with two nodes in each of three zones.", "actions": []},
    )
)


class Workers:
    """Worker processes with a model, one after the other."""

    def __init__(self, settings: dict[str, str], folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        ready = self._folder / f"ready-{len(self._processes)}"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
        with (self._folder / "worker.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *bound_command([sys.executable, "-c", "from cli.main import app; app()", "worker"]),
                cwd=ROOT,
                env=inherited | self._settings | {"SLUICE_READY_FILE": str(ready)},
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        for _ in range(1_200):
            if ready.exists():
                return
            await asyncio.sleep(0.05)
        raise RuntimeError((self._folder / "worker.log").read_text()[-4_000:])

    async def kill(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()


@pytest.fixture
async def workers(
    temporal_address: str,
    database: Database,
    migrated_database_url: str,
    local_fleet: RunningEmulator,
    chat_server: ChatServer,
    opa_url: str,
    tmp_path: Path,
) -> AsyncIterator[Workers]:
    keys = tmp_path / "decision.pub"
    keys.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    settings: dict[str, Any] = {
        "SLUICE_STATE_DIR": tmp_path,
        "SLUICE_CONFIG": ROOT / "local" / "practice.yaml",
        "SLUICE_DATABASE__URL": migrated_database_url,
        "SLUICE_TEMPORAL__ADDRESS": temporal_address,
        "SLUICE_OPA__URL": opa_url,
        "SLUICE_GKE__MODE": "practice",
        "SLUICE_GKE__ENDPOINT": local_fleet.address,
        "SLUICE_GKE__COMPUTE_ENDPOINT": local_fleet.compute_url,
        "SLUICE_KEYS__DECISION_PUBLIC": keys,
        "SLUICE_LLM__BASE_URL": chat_server.base_url,
        "SLUICE_LLM__API_KEY": MODEL_KEY,
        "PYTHONPATH": ROOT,
    }
    found = Workers({name: str(value) for name, value in settings.items()}, tmp_path)
    yield found
    await found.kill()


async def text_of(gateway: TemporalGateway, request_id: str) -> RequestProgress:
    for _ in range(600):
        with contextlib.suppress(Exception):
            progress = await gateway.progress_of(request_id)
            if progress is not None and progress.text:
                return progress
        await asyncio.sleep(0.05)
    raise AssertionError("the model was never seen writing")


async def test_a_worker_that_is_killed_in_the_midst_of_an_answer_loses_nothing(
    workers: Workers, database: Database, chat_server: ChatServer, temporal_address: str
) -> None:
    chat_server.script(openai_server.typing(ANSWER, pause=0.4, size=6), openai_server.typing(ANSWER))
    gateway = TemporalGateway(TemporalSettings(address=temporal_address))
    await workers.start()
    request = request_of("how is inference doing?")
    async with database.transaction() as connection:
        await requests.create(connection, request)
    await gateway.start_request(RequestInput(request=request, public_keys={}))
    writing = await text_of(gateway, request.id)
    assert "It runs with two nodes".startswith(writing.text[:6])
    await workers.kill()
    await workers.start()
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    handle = client.get_workflow_handle(request_workflow_id(request.id))
    async with asyncio.timeout(90):
        await handle.result()
    async with database.reading() as connection:
        row = await requests.find(connection, request.tenant, request.id)
    assert row is not None
    assert (row.status, row.answer) == (
        RequestStatus.ANSWERED,
        "It runs with two nodes in each of three zones.",
    )
    assert len(chat_server.calls) == 2
    told = (await handle.fetch_history()).to_json()
    assert MODEL_KEY not in told
