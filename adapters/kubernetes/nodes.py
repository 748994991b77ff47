"""Counts Ready nodes of a GKE node pool, for VERIFICATION. Where no cluster is configured, it says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters.kubernetes.clusters import Clusters
from adapters.store.database import forbid_in_transaction
from contracts.action import NodePoolTarget

READ_TIMEOUT = timedelta(seconds=10)
PAGE = 500


class KubernetesReadyNodeCounter:
    """`contracts.ports.ReadyNodeCounter` over a kubeconfig file."""

    def __init__(self, kubeconfig: Path | None, *, timeout: timedelta = READ_TIMEOUT) -> None:
        self._clusters = None if kubeconfig is None else Clusters(kubeconfig)
        self._timeout = timeout

    async def count_ready(self, target: NodePoolTarget) -> int | None:
        """Return how many nodes of the pool are Ready; None when the kubeconfig has no context of its cluster.

        Raises:
            ProviderError: a subclass.
        """
        if self._clusters is None:
            return None
        forbid_in_transaction()
        return await asyncio.to_thread(self._count, self._clusters, target)

    async def close(self) -> None:
        """Close the connections."""
        if self._clusters is not None:
            await asyncio.to_thread(self._clusters.close)

    def _count(self, clusters: Clusters, target: NodePoolTarget) -> int | None:
        # Imported here because the library is large and most processes never ask.
        from kubernetes.client import CoreV1Api

        with clusters.client(target, f"count Ready nodes of {target.key}") as client:
            if client is None:
                return None
            return _count_ready(CoreV1Api(client), target.node_pool, self._timeout.total_seconds())


def _count_ready(api: Any, node_pool: str, timeout: float) -> int:
    ready, token = 0, None
    while True:
        page = api.list_node(
            label_selector=f"cloud.google.com/gke-nodepool={node_pool}",
            limit=PAGE,
            _continue=token,
            _request_timeout=timeout,
        )
        ready += sum(1 for node in page.items if _is_ready(node))
        token = page.metadata._continue  # noqa: SLF001 - the client's own spelling of `continue`
        if not token:
            return ready


def _is_ready(node: Any) -> bool:
    conditions = node.status.conditions or []
    return any(item.type == "Ready" and item.status == "True" for item in conditions)
