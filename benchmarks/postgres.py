"""A PostgreSQL of its own for a benchmark: durable settings as shipped, thrown away at the end."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from adapters.store.migrate import upgrade
from local.postgres import PostgresServer, is_ready, server_in

OpenDatabase = Callable[[], AbstractAsyncContextManager[str]]
"""Gives the URL of a migrated database meanwhile."""
_START_WITHIN = 90.0


@asynccontextmanager
async def fresh_database() -> AsyncIterator[str]:
    """Yield the URL of a migrated database on a server that runs meanwhile."""
    async with running_postgres() as (server, _):
        await upgrade(server.url())
        yield server.url()


@asynccontextmanager
async def running_postgres(
    options: Mapping[str, str] | None = None, binaries: Path | None = None
) -> AsyncIterator[tuple[PostgresServer, int]]:
    """Yield a server that runs meanwhile, and its process id.

    `options` are added to the settings as shipped; `binaries` by default those of the wheel.
    """
    # Short and readable by the account that PostgreSQL runs under when root started it.
    root = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    server = server_in(root / "postgres", options=options, binaries=binaries)
    await asyncio.to_thread(server.initialise)
    process = await asyncio.create_subprocess_exec(
        *server.bound_command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await _started(server)
        yield server, process.pid
    finally:
        process.send_signal(signal.SIGQUIT)
        await process.wait()
        shutil.rmtree(root, ignore_errors=True)


async def _started(server: PostgresServer) -> None:
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type((OSError, asyncpg.PostgresError)),
        wait=wait_fixed(0.1),
        stop=stop_after_delay(_START_WITHIN),
    ):
        with attempt:
            await is_ready(server)
