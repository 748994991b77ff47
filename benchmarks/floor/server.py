"""The server that a benchmark runs on: a real Temporal over PostgreSQL, with the databases of the contenders beside it.

Everything on it is thrown away at the end. PostgreSQL also carries the databases of the contenders, so that the
processor time of "the database" holds both what Temporal and what the contender asks of it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from benchmarks.floor.calm import settle
from benchmarks.floor.temporal import real_server
from benchmarks.postgres import running_postgres
from local.postgres import PostgresServer, ensure_database
from tests.proposal_stack import own_namespace

_POSTGRES = {"shared_buffers": "1GB", "max_connections": "300"}


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
    """Run PostgreSQL and the Temporal server meanwhile, and leave them alone until they are calm."""
    binaries = _with_extensions()
    async with running_postgres(_POSTGRES, binaries) as (postgres, postgres_pid):
        with scratch() as directory:
            async with real_server(postgres, directory, everything=binaries is not None) as temporal:
                await settle([temporal.pid, postgres_pid])
                yield BenchServer(temporal.address, postgres, temporal.pid, postgres_pid)


@contextmanager
def scratch(name: str = "server") -> Iterator[Path]:
    """Yield a directory that is thrown away. Its path is short: that of a socket has at most 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix=f"sb-{name[:6]}-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _with_extensions() -> Path | None:
    """Return the programs of the newest PostgreSQL that Debian installed with its extensions; the wheel has none."""
    found = [
        Path("/usr/lib/postgresql") / control.parent.parent.name / "bin"
        for control in Path("/usr/share/postgresql").glob("*/extension/btree_gin.control")
    ]
    return max(found, key=lambda one: int(one.parent.name), default=None)
