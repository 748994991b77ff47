"""A real Temporal server on PostgreSQL: 512 history shards, all four services in one process, durable settings.

Everything on it is thrown away at the end. PostgreSQL also carries the databases of the contenders, so that the
processor time of "the database" holds both what Temporal and what the contender asks of it.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from temporalio.client import Client

from benchmarks.floor.programs import TEMPORAL_SERVER, TEMPORAL_SQL_TOOL, found
from benchmarks.postgres import running_postgres
from local.bound import bound_command
from local.environment import foreign_environment
from local.postgres import SUPERUSER, PostgresServer, ensure_database
from tests.proposal_stack import eventually, own_namespace

SHARDS = 512
_POSTGRES = {"shared_buffers": "1GB", "max_connections": "300"}
_VISIBILITY = "temporal_visibility"
_STORES = {"temporal": ("temporal", 40), _VISIBILITY: ("visibility", 10)}
"""Database → its schema and how many connections the server may hold."""


@dataclass(frozen=True)
class BenchServer:
    """A running server."""

    address: str
    postgres: PostgresServer
    temporal_pid: int
    postgres_pid: int

    async def namespace(self) -> Client:
        """Return a client of a new namespace: task queues have fixed names."""
        return await own_namespace(self.address)

    async def database(self, name: str) -> str:
        """Create a database on the same PostgreSQL and return its address for asyncpg."""
        await ensure_database(self.postgres, name)
        return self.postgres.dsn(name)


@asynccontextmanager
async def bench_server() -> AsyncIterator[BenchServer]:
    """Run PostgreSQL and the Temporal server meanwhile."""
    programs = await asyncio.to_thread(lambda: (found(TEMPORAL_SERVER), found(TEMPORAL_SQL_TOOL)))
    binaries = _with_extensions()
    async with running_postgres(_POSTGRES, binaries) as (postgres, postgres_pid):
        for name, (schema, _) in _STORES.items():
            if binaries is None and name == _VISIBILITY:
                continue
            await ensure_database(postgres, name)
            await asyncio.to_thread(_lay_out, programs[1], postgres, name, schema)
        with scratch() as directory:
            port = _port()
            configuration = directory / "server.yaml"
            configuration.write_text(
                yaml.safe_dump(_configuration(postgres, port, everything=binaries is not None))
            )
            with (directory / "server.log").open("wb") as log:
                command = [str(programs[0]), "--config-file", str(configuration), "--allow-no-auth", "start"]
                process = await asyncio.create_subprocess_exec(
                    *bound_command(command), env=foreign_environment(), stdout=log, stderr=log
                )
            try:
                address = f"127.0.0.1:{port}"
                await eventually(lambda: _answers(address, process, directory), limit=60)
                yield BenchServer(address, postgres, process.pid, postgres_pid)
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def _answers(address: str, process: asyncio.subprocess.Process, directory: Path) -> bool:
    if process.returncode is not None:
        raise RuntimeError((directory / "server.log").read_text(encoding="utf-8")[-3_000:])
    try:
        return await (await Client.connect(address)).service_client.check_health()
    except RuntimeError:
        return False


@contextmanager
def scratch(name: str = "server") -> Iterator[Path]:
    """Yield a directory that is thrown away. Its path is short: that of a socket has at most 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix=f"sb-{name[:6]}-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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


def _port() -> int:
    """Return a free port that fits where the server keeps it: in a signed 16-bit number."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            port = random.randrange(20_000, 2**15)  # noqa: S311  no secret
            probe.bind(("127.0.0.1", port))
            return port


def _with_extensions() -> Path | None:
    """Return the programs of the newest PostgreSQL that Debian installed with its extensions; the wheel has none."""
    found = [
        Path("/usr/lib/postgresql") / control.parent.parent.name / "bin"
        for control in Path("/usr/share/postgresql").glob("*/extension/btree_gin.control")
    ]
    return max(found, key=lambda one: int(one.parent.name), default=None)


def _configuration(postgres: PostgresServer, port: int, *, everything: bool) -> dict[str, Any]:
    ports = {"frontend": port} | {name: _port() for name in ("matching", "history", "worker")}
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
    return {
        "log": {"stdout": True, "level": "warn"},
        "persistence": {
            "defaultStore": "temporal",
            "visibilityStore": _VISIBILITY,
            "numHistoryShards": SHARDS,
            "datastores": stores,
        },
        "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"}},
        "services": {
            name: {"rpc": {"grpcPort": grpc, "membershipPort": _port(), "bindOnLocalHost": True}}
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
