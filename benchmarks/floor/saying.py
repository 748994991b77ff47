"""How the floor tells its driver that a change waits: a datagram, for which nobody asks the server anything.

A person decides on what waits for them. An Update that comes before the first workflow task is taken into that task,
and saves one: no person is that quick, and no contender with gates could have it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.floor.news import News


def tell(heard_at: str, change_id: str) -> None:
    """Say that a change waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(change_id.encode(), heard_at)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, news: News) -> None:
        self._news = news

    def datagram_received(self, data: bytes, _: object) -> None:
        self._news.hear(data.decode())


@asynccontextmanager
async def told_to(heard_at: Path) -> AsyncIterator[News]:
    """Listen meanwhile, on a socket that is made for it."""
    news = News()
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(heard_at))
    ear.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Ear(news), sock=ear)
    try:
        yield news
    finally:
        transport.close()
