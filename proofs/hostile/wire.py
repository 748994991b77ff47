"""Sends bytes as they are: no client library would let these through."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from proofs.hostile.poison import Poison

ANSWERS_WITHIN = 15.0
"""Seconds after which a call counts as hanging."""
_MOST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0: the connection was closed without an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """Return the JSON object of the body, or an empty one."""
        try:
            read = json.loads(self.body)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


async def send(url: str, poison: Poison, token: str) -> Answer:
    """Send a call on a connection of its own.

    Raises:
        TimeoutError: no answer came in time.
    """
    address = urlsplit(url)
    async with asyncio.timeout(ANSWERS_WITHIN):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            # Who refuses early may close while we still write.
            with contextlib.suppress(ConnectionError):
                writer.write(_spelled(poison, token))
                await writer.drain()
            return await _answer(reader)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def _spelled(poison: Poison, token: str) -> bytes:
    named = poison.raw_header.partition(b":")[0].strip().lower()
    lines = {"Host": "127.0.0.1", "Connection": "close", "Authorization": f"Bearer {token}"}
    if poison.method != b"GET":
        lines |= {"Content-Type": "application/json", "Content-Length": str(len(poison.body))}
    lines |= poison.headers
    # Poison that names one of these stands in its place, but for what is poison by standing twice.
    kept = {
        name: value for name, value in lines.items() if name.lower().encode() != named or named == b"host"
    }
    head = [poison.method + b" " + poison.target + b" HTTP/1.1"]
    head += [f"{name}: {value}".encode() for name, value in kept.items()]
    head += [poison.raw_header] if poison.raw_header else []
    return b"\r\n".join(head) + b"\r\n\r\n" + poison.body


async def _answer(reader: asyncio.StreamReader) -> Answer:
    content = b""
    with contextlib.suppress(ConnectionError):
        while len(content) < _MOST and (more := await reader.read(65_536)):
            content += more
            if b"text/event-stream" in content:
                break  # a stream that began does not end
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.1 "):
        return Answer(0, {}, content)
    pairs = (line.partition(":") for line in lines)
    return Answer(int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)
