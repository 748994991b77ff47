"""Counts Ready nodes of a GKE node pool, for VERIFICATION. Where no cluster is configured, it says so.

The kubeconfig context must be the one that `gcloud container clusters get-credentials` writes,
`gke_<project>_<location>_<cluster>`: counting the nodes of another cluster would prove nothing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from adapters.store.database import forbid_in_transaction
from contracts.action import NodePoolTarget
from contracts.errors import (
    ProviderError,
    ProviderPermissionDenied,
    ProviderRefused,
    ProviderUnavailable,
    TargetNotFound,
)

READ_TIMEOUT = timedelta(seconds=10)
PAGE = 500
_BY_STATUS: dict[int, type[ProviderError]] = {
    HTTPStatus.UNAUTHORIZED: ProviderPermissionDenied,
    HTTPStatus.FORBIDDEN: ProviderPermissionDenied,
    HTTPStatus.NOT_FOUND: TargetNotFound,
    HTTPStatus.BAD_REQUEST: ProviderRefused,
}


class KubernetesReadyNodeCounter:
    """`contracts.ports.ReadyNodeCounter` over a kubeconfig file."""

    def __init__(self, kubeconfig: Path | None, *, timeout: timedelta = READ_TIMEOUT) -> None:
        self._kubeconfig = kubeconfig
        self._timeout = timeout
        self._clients: dict[str, Any] = {}

    async def count_ready(self, target: NodePoolTarget) -> int | None:
        """Return how many nodes of the pool are Ready; None when the kubeconfig has no context of its cluster.

        Raises:
            ProviderError: a subclass.
        """
        if self._kubeconfig is None:
            return None
        forbid_in_transaction()
        return await asyncio.to_thread(self._count, self._kubeconfig, target)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await asyncio.to_thread(client.close)
        self._clients.clear()

    def _count(self, kubeconfig: Path, target: NodePoolTarget) -> int | None:
        # Imported here because the library is large and most processes never ask.
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        what = f"count Ready nodes of {target.key}"
        try:
            client = self._checked_client(kubeconfig, target)
            if client is None:
                return None
            return _count_ready(CoreV1Api(client), target.node_pool, self._timeout.total_seconds())
        except ApiException as error:
            # Status 0 or none means that no answer came.
            kind = _BY_STATUS.get(error.status or 0, ProviderUnavailable)
            raise kind(f"{what}: HTTP {error.status}") from error
        except (HTTPError, OSError, ValueError) as error:
            raise ProviderUnavailable(f"{what}: {type(error).__name__}") from error

    def _checked_client(self, kubeconfig: Path, target: NodePoolTarget) -> Any:
        from kubernetes.config import ConfigException
        from yaml import YAMLError

        try:
            return self._client(kubeconfig, target)
        except (
            ConfigException,
            YAMLError,
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ) as error:
            # The library checks the file's shape only by tripping over it.
            raise ProviderRefused("the kubeconfig cannot be used") from error

    def _client(self, kubeconfig: Path, target: NodePoolTarget) -> Any:
        from kubernetes import client
        from kubernetes import config as untyped_config

        config: Any = untyped_config
        context = f"gke_{target.project}_{target.location}_{target.cluster}"
        if context not in self._clients:
            contexts, _ = config.list_kube_config_contexts(config_file=str(kubeconfig))
            if context not in {item["name"] for item in contexts}:
                return None
            settings = client.Configuration()
            settings.retries = False
            self._clients[context] = config.new_client_from_config(
                config_file=str(kubeconfig),
                context=context,
                persist_config=False,
                client_configuration=settings,
            )
        return self._clients[context]


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
