"""Passes connections on, until those that are open fall silent: their peers are gone, and nobody says so.

That is what a lost host or a forgetful firewall looks like. Connections that come later are passed on as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Connect = Callable[[], Awaitable[_Stream]]
_SOCKET = ".s.PGSQL.5432"
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@dataclass
class SilentRelay:
    """A running relay; `address` is a path or host:port, as it was asked for."""

    connect: _Connect
    address: str = ""
    connections: int = 0
    """How many it has taken."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def silence(self) -> None:
        """Let no connection that is open now say or hear anything any more."""
        for task in self._tasks:
            task.cancel()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        theirs, to_them = await self.connect()
        self._writers += [writer, to_them]
        for source, sink in ((reader, to_them), (theirs, writer)):
            task = asyncio.create_task(_pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close everything."""
        self.silence()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while said := await source.read(65_536):
            sink.write(said)
            await sink.drain()
        sink.close()


@asynccontextmanager
async def relay_to_postgres(sockets: Path, directory: Path) -> AsyncIterator[SilentRelay]:
    """Listen on the socket that PostgreSQL would have in `directory`; it has its own in `sockets`."""
    relay = SilentRelay(lambda: asyncio.open_unix_connection(str(sockets / _SOCKET)), str(directory))
    server = await asyncio.start_unix_server(relay.take, str(directory / _SOCKET))
    async with _closing(server, relay):
        yield relay


@asynccontextmanager
async def relay_to(address: str) -> AsyncIterator[SilentRelay]:
    """Listen on a free port before host:port."""
    host, _, port = address.rpartition(":")
    relay = SilentRelay(lambda: asyncio.open_connection(host, int(port)))
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    relay.address = "{}:{}".format(*server.sockets[0].getsockname())
    async with _closing(server, relay):
        yield relay


@asynccontextmanager
async def tls_before_postgres(sockets: Path, certificate: Path) -> AsyncIterator[SilentRelay]:
    """Serve TLS on a free port as a PostgreSQL would that has it: the one in `sockets` has none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    relay = SilentRelay(lambda: asyncio.open_unix_connection(str(sockets / _SOCKET)))

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(_SSL_REQUEST)) == _SSL_REQUEST
        writer.write(b"S")
        try:
            await writer.start_tls(context)
        except OSError:
            writer.transport.abort()
        else:
            await relay.take(reader, writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    relay.address = "{}:{}".format(*server.sockets[0].getsockname())
    async with _closing(server, relay):
        yield relay


@asynccontextmanager
async def _closing(server: asyncio.Server, relay: SilentRelay) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.close()
        await relay.close()
        await server.wait_closed()
