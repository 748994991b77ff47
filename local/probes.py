"""Local stack: how the supervisor sees that a part is ready. Every probe may raise: that means "not yet"."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody. For clients of plain HTTP: they would read all certificates that the system trusts when they are made,
and that takes longer than their calls.
"""


async def accepts_tcp(host: str, port: int) -> bool:
    """Somebody listens on that port."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()
    return True


async def answers_http(url: str, *, unix_socket: Path | None = None) -> bool:
    """GET `url` answers 200, over `unix_socket` when given."""
    transport = httpx.AsyncHTTPTransport(uds=str(unix_socket) if unix_socket else None, verify=PLAIN)
    async with httpx.AsyncClient(transport=transport, timeout=2) as client:
        return (await client.get(url)).status_code == httpx.codes.OK
