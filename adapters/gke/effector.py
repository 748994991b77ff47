"""Changes node pools under the effects identity. EXECUTION's only way out; nothing else may hold one.

Each method is one call, sent at most once. GKE takes neither an etag nor a request id for these two
(google.container.v1.SetNodePoolSizeRequest, SetNodePoolAutoscalingRequest), so the caller fences and reads first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from adapters.gke.connection import Connection
from adapters.gke.errors import translated
from contracts.action import NodePoolTarget

AGENT = "sluice-effector"


class GkeNodePoolEffector:
    """`contracts.ports.NodePoolEffector` for GKE. Close it in the end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def to_endpoint(cls, endpoint: str, compute_endpoint: str) -> Self:
        """Change node pools at plaintext gRPC `host:port`."""
        return cls(Connection.to_endpoint(endpoint, compute_endpoint, agent=AGENT))

    @classmethod
    def to_google(cls) -> Self:
        """Change node pools in Google Cloud under this process's own identity."""
        return cls(Connection.to_google(agent=AGENT))

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        """Set nodes per zone; return the operation's short name.

        Raises:
            ProviderAmbiguous: the answer was lost; the effect may have taken place.
            ProviderError: another subclass; it has not.
        """
        request = {"name": target.resource_name, "node_count": node_count}
        return await self._call("set_node_pool_size", request, timeout)

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        """Set the autoscaler's bounds per zone and keep it on; return the operation's short name.

        Raises:
            ProviderAmbiguous: the answer was lost; the effect may have taken place.
            ProviderError: another subclass; it has not.
        """
        bounds = {"enabled": True, "min_node_count": min_node_count, "max_node_count": max_node_count}
        request = {"name": target.resource_name, "autoscaling": bounds}
        return await self._call("set_node_pool_autoscaling", request, timeout)

    async def _call(self, method: str, request: dict[str, Any], timeout: timedelta) -> str:
        client = await self._connection.container()
        with translated(f"{method} of {request['name']}", mutating=True):
            operation = await getattr(client, method)(
                request=request, retry=None, timeout=timeout.total_seconds()
            )
        return str(operation.name)
