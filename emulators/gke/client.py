"""Async client of the emulator's admin calls, for tests, proofs and the demo."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Self

import httpx

from emulators.gke.faults import FaultKind

_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: the calls are plain HTTP, and to read all certificates takes longer than they do."""


class EmulatorAdmin:
    """Makes things go wrong. A refused call raises httpx.HTTPStatusError."""

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False, verify=_PLAIN)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def add_fault(self, method: str, kind: FaultKind | str, **fields: Any) -> None:
        """Plan a failure for the next calls of `method`; `fields` as in `emulators.gke.faults.Fault`."""
        await self._send("POST", "/admin/faults", {"method": method, "kind": str(kind), **fields})

    async def clear_faults(self) -> None:
        """Forget all planned failures."""
        await self._send("DELETE", "/admin/faults", None)

    async def change_pool(self, target: str, **fields: Any) -> dict[str, Any]:
        """Change `project/location/cluster/node_pool` as somebody else; fields as in `PoolChange`."""
        return await self._send("PATCH", f"/admin/pools/{target}", fields)

    async def start_operation(self, cluster: str, **fields: Any) -> str:
        """Start a foreign operation on `project/location/cluster`; return its name."""
        project, location, name = cluster.split("/")
        body = {"project": project, "location": location, "cluster": name, **fields}
        return str((await self._send("POST", "/admin/operations", body))["name"])

    async def finish_operation(self, name: str, error: dict[str, str] | None = None) -> None:
        """End a running operation, with an error or without."""
        await self._send("POST", f"/admin/operations/{name}/finish", {"error": error})

    async def settings(self, **seconds: float) -> dict[str, Any]:
        """Change delays (fields of `emulators.gke.model.Timing`); return all of them."""
        return await self._send("POST", "/admin/settings", dict(seconds))

    async def state(self) -> dict[str, Any]:
        """Return everything the emulator knows, as of now."""
        return await self._send("GET", "/admin/state", None)

    async def pool(self, target: str) -> dict[str, Any]:
        """Return one node pool out of the state. Raises KeyError when there is none."""
        project, location, cluster, name = target.split("/")
        for found in (await self.state())["clusters"]:
            if (found["project"], found["location"], found["name"]) == (project, location, cluster):
                for pool in found["pools"]:
                    if pool["name"] == name:
                        return dict(pool)
        raise KeyError(target)

    async def reset(self) -> None:
        """Go back to the fleet's start; delays stay, counters go on."""
        await self._send("POST", "/admin/reset", {})

    async def _send(self, verb: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        answer = await self._http.request(verb, path, json=body)
        answer.raise_for_status()
        return dict(answer.json())
