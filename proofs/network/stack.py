"""A whole stack whose every dependency stands behind toxiproxy: Temporal, PostgreSQL, OPA, GKE and the model.

The judge reads past the proxies.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx

from adapters.opa.sources import snapshot_policies
from local import temporal
from local.bound import bound_command
from local.postgres import STOP_SIGNAL, SUPERUSER, server_in
from local.stack import DATABASE
from proofs.network.toxiproxy import HOST, Proxy, Toxiproxy, toxiproxy
from tests import openai_server
from tests.e2e import processes
from tests.e2e.practice_ground import DEVELOPMENT, Ground
from tests.e2e.stack import Programs, Stack, eventually, running_stack
from tests.gke_fixtures import EmulatorProcess

TEMPORAL, POSTGRESQL, OPA, GKE, MODEL = "Temporal", "PostgreSQL", "OPA", "GKE", "LLM"
DEPENDENCIES = (TEMPORAL, POSTGRESQL, OPA, GKE, MODEL)
MODEL_TIMEOUT = 3
"""Seconds."""
_STARTS_WITHIN = 60.0
_STOPS_WITHIN = 30.0


@dataclass(frozen=True)
class Proxied:
    """The running stack."""

    stack: Stack
    proxies: Mapping[str, Sequence[Proxy]]
    """Dependency → what stands before it. GKE has two: its own API and Compute."""
    model: openai_server.ChatServer
    """Behind its proxy; it keeps the calls that reach it."""


@asynccontextmanager
async def proxied(
    directory: Path, programs: Programs, binary: Path, ground: Ground
) -> AsyncIterator[Proxied]:
    """Start the dependencies, the proxies and `sluice up`, in this order."""
    async with (
        _servers(directory, programs) as servers,
        openai_server.serving_chat() as model,
        toxiproxy(binary) as toxi,
    ):
        model.script(_proposing(ground))
        upstreams = servers | {MODEL: urlsplit(model.base_url).netloc}
        before = {name: await toxi.before(name, upstream) for name, upstream in upstreams.items()}
        gke: list[Proxy] = []
        database = f"postgresql+asyncpg://{SUPERUSER}@{{}}/{DATABASE}"
        changes = {
            "SLUICE_DATABASE__URL": database.format(before[POSTGRESQL].address),
            "SLUICE_TEMPORAL__ADDRESS": before[TEMPORAL].address,
            "SLUICE_OPA__URL": f"http://{before[OPA].address}",
            "SLUICE_LLM__BASE_URL": f"http://{before[MODEL].address}/v1",
            "SLUICE_LLM__API_KEY": "proof",
            "SLUICE_LLM__TIMEOUT": f"PT{MODEL_TIMEOUT}S",
            "SLUICE_GKE__OPERATION_TIMEOUT": "PT60S",
        }
        behind = _behind(toxi, gke)
        async with running_stack(directory, programs, ground, behind, **changes) as stack:
            stack.database_url = database.format(upstreams[POSTGRESQL])
            yield Proxied(stack, {name: [one] for name, one in before.items()} | {GKE: gke}, model)


def _behind(
    toxi: Toxiproxy, proxies: list[Proxy]
) -> Callable[[EmulatorProcess], Awaitable[Mapping[str, str]]]:
    async def behind(emulator: EmulatorProcess) -> Mapping[str, str]:
        proxies.append(await toxi.before(GKE, emulator.address))
        proxies.append(await toxi.before("Compute", urlsplit(emulator.compute_url).netloc))
        return {
            "SLUICE_GKE__ENDPOINT": proxies[0].address,
            "SLUICE_GKE__COMPUTE_ENDPOINT": f"http://{proxies[1].address}",
        }

    return behind


@asynccontextmanager
async def _servers(directory: Path, programs: Programs) -> AsyncIterator[dict[str, str]]:
    """Run PostgreSQL, Temporal and OPA on TCP; yield dependency → host:port."""
    ports = {name: processes.free_port() for name in (POSTGRESQL, TEMPORAL, OPA)}
    addresses = {name: f"{HOST}:{port}" for name, port in ports.items()}
    snapshot_policies(directory / "policies")
    temporal_server = temporal.dev_server_command(
        programs.temporal, port=ports[TEMPORAL], database=directory / "temporal.sqlite"
    )
    opa = [
        str(programs.opa), "run", "--server", "--addr", addresses[OPA],
        "--log-level", "error", "--skip-version-check", "--bundle", str(directory / "policies"),
    ]  # fmt: skip
    with (
        _postgres(directory, ports[POSTGRESQL]),
        _running(bound_command(temporal_server), directory / "temporal.log"),
        _running(bound_command(opa), directory / "opa.log"),
    ):
        await eventually(lambda: _has_database(addresses[POSTGRESQL]), limit=_STARTS_WITHIN)
        await eventually(lambda: _has_namespace(addresses[TEMPORAL]), limit=_STARTS_WITHIN)
        await eventually(lambda: _is_well(addresses[OPA]), limit=_STARTS_WITHIN)
        yield addresses


@contextmanager
def _postgres(directory: Path, port: int) -> Iterator[None]:
    options = {
        "listen_addresses": HOST, "port": str(port), "fsync": "off", "full_page_writes": "off",
    }  # fmt: skip
    server = server_in(directory / "postgresql", options=options)
    server.initialise()
    with _running(server.bound_command(), directory / "postgresql.log", signal=STOP_SIGNAL):
        yield


@contextmanager
def _running(command: Sequence[str], log: Path, signal: int = 15) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.send_signal(signal)
        try:
            process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _has_database(address: str) -> bool:
    try:
        connection = await asyncpg.connect(f"postgresql://{SUPERUSER}@{address}/{SUPERUSER}", timeout=5)
    except asyncpg.PostgresError:
        return False
    try:
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f'CREATE DATABASE "{DATABASE}" TEMPLATE template0')
    finally:
        await connection.close()
    return True


async def _has_namespace(address: str) -> bool:
    try:
        return await temporal.is_ready(address)
    except RuntimeError:
        return False


async def _is_well(address: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"http://{address}/health")).status_code == 200


def _proposing(ground: Ground) -> openai_server.Behaviour:
    """A model that does what it is asked: `scale web in NAME to COUNT`."""
    places = {place.name: place for place in ground.places(DEVELOPMENT)}

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        words = openai_server.request_shown_to(body)["text"].split()
        action = places[words[3]].resize(int(words[5]))
        proposed = {"action": action, "rationale": "as asked", "confidence": 0.9}
        said = {"outcome": "proposed", "text": "As asked.", "actions": [proposed]}
        return openai_server.calling(("finish", said))

    return openai_server.answering(answer)
