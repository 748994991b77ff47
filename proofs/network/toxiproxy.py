"""Toxiproxy as a child process: TCP proxies on 127.0.0.1 that a proof spoils and heals.

Its HTTP API: https://github.com/Shopify/toxiproxy#http-api.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local.bound import bound_command
from settings import Settings
from tests.e2e import processes
from tests.e2e.stack import eventually
from tools.catalogue import TOXIPROXY
from tools.programs import resolve

HOST = "127.0.0.1"
UP, DOWN = "upstream", "downstream"
"""Towards the server, and back to who asked it."""
_STARTS_WITHIN = 30.0
_ANSWERS_WITHIN = 30.0
_RESET = "reset"


@dataclass(frozen=True, slots=True)
class Toxic:
    """One kind of harm, in one direction."""

    kind: str
    stream: str
    attributes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Proxy:
    """One listener before one server. Who is given `address` speaks to the server through it."""

    name: str
    address: str
    """host:port"""
    upstream: str
    _http: httpx.AsyncClient

    async def spoil(self, *toxics: Toxic) -> None:
        """Let these work on all connections, those that are open too, until `heal`."""
        for number, one in enumerate(toxics):
            body = {
                "name": f"t{number}",
                "type": one.kind,
                "stream": one.stream,
                "attributes": one.attributes,
            }
            await self._send("POST", f"/proxies/{self.name}/toxics", body)

    async def reset(self, after: int = 0) -> None:
        """Answer with a TCP reset so many milliseconds after the server says something, until `heal`."""
        body = {"toxicity": 1.0, "attributes": {"timeout": after}}
        await self._send("PATCH", f"/proxies/{self.name}/toxics/{_RESET}", body)

    async def refuse(self) -> None:
        """Close all connections and take none, until `heal`."""
        await self._send("PATCH", f"/proxies/{self.name}", {"enabled": False})

    async def heal(self, *, keep: bool = False) -> None:
        """Undo everything. `keep`: let connections that are open go on, with all that waited in them.

        Else they are ended, and the proxy is made anew: toxiproxy hangs or dies when some of its toxics are taken from
        a line that is full or closing.
        """
        if keep:
            for one in (await self._send("GET", f"/proxies/{self.name}", None))["toxics"]:
                if one["name"] != _RESET:
                    await self._send("DELETE", f"/proxies/{self.name}/toxics/{one['name']}", None)
        else:
            await self._send("DELETE", f"/proxies/{self.name}", None)
            await self.open()

    async def open(self) -> str:
        """Listen; return where."""
        body = {"name": self.name, "listen": self.address, "upstream": self.upstream, "enabled": True}
        made = await self._send("POST", "/proxies", body)
        # Asleep, but there: only a connection that began with it is ended by a reset instead of an orderly close.
        asleep = {
            "name": _RESET, "type": "reset_peer", "stream": DOWN, "toxicity": 0.0, "attributes": {"timeout": 0}
        }  # fmt: skip
        await self._send("POST", f"/proxies/{self.name}/toxics", asleep)
        return str(made["listen"])

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        answer = await self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@dataclass(frozen=True, slots=True)
class Toxiproxy:
    """The running process."""

    _http: httpx.AsyncClient

    async def before(self, name: str, upstream: str) -> Proxy:
        """Listen on a free port and pass everything on to `upstream`, host:port."""
        address = await Proxy(name, f"{HOST}:0", upstream, self._http).open()
        return Proxy(name, address, upstream, self._http)


def program() -> Path:
    """Return toxiproxy, built into the cache the first time.

    Raises:
        ProgramNotFoundError: it is not there and cannot be built.
    """
    return resolve(TOXIPROXY, state_dir=Settings().state_dir).path


@asynccontextmanager
async def toxiproxy(binary: Path) -> AsyncIterator[Toxiproxy]:
    """Run it on a free port."""
    port = processes.free_port()
    process = await asyncio.create_subprocess_exec(
        *bound_command([str(binary), "-host", HOST, "-port", str(port)]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"LOG_LEVEL": "error"},
    )
    try:
        url = f"http://{HOST}:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=_ANSWERS_WITHIN, trust_env=False) as http:
            await eventually(lambda: _answers(http), limit=_STARTS_WITHIN, pause=0.05)
            yield Toxiproxy(http)
    finally:
        await processes.end(process)


async def _answers(http: httpx.AsyncClient) -> bool:
    return (await http.get("/version")).status_code == 200
