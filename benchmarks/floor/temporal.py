"""The two Temporal servers that contenders meet: the real one on PostgreSQL, and the dev server as a second line.

The real one has 512 history shards, all four services in one process, durable settings. The dev server keeps one
shard on one SQLite connection in memory: it says how little a change can cost, and nothing about capacity.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from temporalio.client import Client
from temporalio.service import RPCError

from benchmarks.floor.programs import TEMPORAL_SERVER, TEMPORAL_SQL_TOOL, dev_server_program, found
from local.bound import bound_command
from local.environment import foreign_environment
from local.ports import free_port
from local.postgres import SUPERUSER, PostgresServer, ensure_database
from local.temporal import dev_server_command, is_ready
from tests.waiting import eventually

SHARDS = 512
START_WITHIN = 120.0
_VISIBILITY = "temporal_visibility"
_STORES = {"temporal": ("temporal", 40), _VISIBILITY: ("visibility", 10)}
"""Database → its schema and how many connections the server may hold."""


@dataclass(frozen=True)
class Temporal:
    """A running server."""

    address: str
    pid: int


@asynccontextmanager
async def real_server(
    postgres: PostgresServer, directory: Path, *, everything: bool
) -> AsyncIterator[Temporal]:
    """Run Temporal's own server on a PostgreSQL. Not `everything`: its list of workflows lives in memory."""
    server, tool = await asyncio.to_thread(lambda: (found(TEMPORAL_SERVER), found(TEMPORAL_SQL_TOOL)))
    for name, (schema, _) in _STORES.items():
        if everything or name != _VISIBILITY:
            await ensure_database(postgres, name)
            await asyncio.to_thread(_lay_out, tool, postgres, name, schema)
    port = free_port()
    configuration = directory / "server.yaml"
    configuration.write_text(yaml.safe_dump(_configuration(postgres, port, everything=everything)))
    command = [str(server), "--config-file", str(configuration), "--allow-no-auth", "start"]
    async with _running(command, directory / "server.log", port, _is_healthy) as running:
        yield running


@asynccontextmanager
async def dev_server(directory: Path) -> AsyncIterator[Temporal]:
    """Run the dev server that comes with Temporal's command, in memory."""
    port = free_port()
    command = dev_server_command(await asyncio.to_thread(dev_server_program), port=port)
    async with _running(command, directory / "dev-server.log", port, is_ready) as running:
        yield running


@asynccontextmanager
async def _running(
    command: list[str], log: Path, port: int, answers: Callable[[str], Awaitable[bool]]
) -> AsyncIterator[Temporal]:
    address = f"127.0.0.1:{port}"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *bound_command(command), env=foreign_environment(), stdout=output, stderr=output
        )

    async def is_up() -> bool:
        if process.returncode is not None:
            raise RuntimeError(_end_of(log))
        with suppress(RuntimeError, RPCError):
            return await answers(address)
        return False

    try:
        await eventually(is_up, limit=START_WITHIN)
        yield Temporal(address, process.pid)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-3_000:]


async def _is_healthy(address: str) -> bool:
    return await (await Client.connect(address)).service_client.check_health()


def _lay_out(tool: Path, postgres: PostgresServer, database: str, schema: str) -> None:
    connect = [
        "--plugin", "postgres12_pgx", "--endpoint", "localhost", "--port", "5432", "--user", SUPERUSER,
        "--database", database, "--connect-attributes", f"host={postgres.sockets}",
    ]  # fmt: skip
    for step in (
        ["setup-schema", "-v", "0.0"],
        ["update-schema", "--schema-name", f"postgresql/v12/{schema}"],
    ):
        done = subprocess.run([str(tool), *connect, *step], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the schema of Temporal: {(done.stderr or done.stdout)[-2_000:]}")


def _other_ports(taken: int) -> Iterator[int]:
    chosen = [taken]
    while True:
        chosen.append(free_port(chosen))
        yield chosen[-1]


def _stores(postgres: PostgresServer, *, everything: bool) -> dict[str, Any]:
    stores: dict[str, Any] = {
        name: {
            "sql": {
                "pluginName": "postgres12",
                "databaseName": name,
                "connectAddr": ":5432",
                "connectProtocol": "tcp",
                "connectAttributes": {"host": str(postgres.sockets)},
                "user": SUPERUSER,
                "password": "",
                "maxConns": connections,
                "maxIdleConns": connections,
                "maxConnLifetime": "1h",
            }
        }
        for name, (_, connections) in _STORES.items()
    }
    if not everything:
        # Lists of workflows, which no path of ours asks for, then live in memory: their index needs an extension.
        stores[_VISIBILITY] = {
            "sql": {
                "pluginName": "sqlite",
                "databaseName": "default",
                "connectAddr": "localhost",
                "connectProtocol": "tcp",
                "connectAttributes": {"mode": "memory", "cache": "private"},
                "maxConns": 1,
                "maxIdleConns": 1,
                "maxConnLifetime": "1h",
            }
        }
    return stores


def _configuration(postgres: PostgresServer, port: int, *, everything: bool) -> dict[str, Any]:
    others = _other_ports(port)
    ports = {"frontend": port} | {name: next(others) for name in ("matching", "history", "worker")}
    return {
        "log": {"stdout": True, "level": "warn"},
        "persistence": {
            "defaultStore": "temporal",
            "visibilityStore": _VISIBILITY,
            "numHistoryShards": SHARDS,
            "datastores": _stores(postgres, everything=everything),
        },
        "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"}},
        "services": {
            name: {"rpc": {"grpcPort": grpc, "membershipPort": next(others), "bindOnLocalHost": True}}
            for name, grpc in ports.items()
        },
        "clusterMetadata": {
            "enableGlobalNamespace": False,
            "failoverVersionIncrement": 10,
            "masterClusterName": "active",
            "currentClusterName": "active",
            "clusterInformation": {
                "active": {
                    "enabled": True,
                    "initialFailoverVersion": 1,
                    "rpcName": "frontend",
                    "rpcAddress": f"127.0.0.1:{port}",
                }
            },
        },
        "dcRedirectionPolicy": {"policy": "noop"},
        "archival": {"history": {"state": "disabled"}, "visibility": {"state": "disabled"}},
        "publicClient": {"hostPort": f"127.0.0.1:{port}"},
    }
