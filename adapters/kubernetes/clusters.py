"""Clients of the clusters that a kubeconfig file names, one context for each GKE cluster.

The context must be the one that `gcloud container clusters get-credentials` writes,
`gke_<project>_<location>_<cluster>`: what another cluster says would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from contracts.action import NodePoolTarget
from contracts.errors import (
    ProviderError,
    ProviderPermissionDenied,
    ProviderRefused,
    ProviderUnavailable,
    TargetNotFound,
)

_BY_STATUS: dict[int, type[ProviderError]] = {
    HTTPStatus.UNAUTHORIZED: ProviderPermissionDenied,
    HTTPStatus.FORBIDDEN: ProviderPermissionDenied,
    HTTPStatus.NOT_FOUND: TargetNotFound,
    HTTPStatus.BAD_REQUEST: ProviderRefused,
}


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what the official client raises into ours. `what` is told, for example `count Ready nodes of …`."""
    # Imported here because the library is large and most processes never ask.
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        # Status 0 or none means that no answer came.
        kind = _BY_STATUS.get(error.status or 0, ProviderUnavailable)
        raise kind(f"{what}: HTTP {error.status}") from error
    except (HTTPError, OSError, ValueError) as error:
        raise ProviderUnavailable(f"{what}: {type(error).__name__}") from error


class Clusters:
    """Clients by cluster, made when first asked for. Blocking: call it in a thread."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._clients: dict[str, Any] = {}

    @contextmanager
    def client(self, target: NodePoolTarget, what: str) -> Iterator[Any]:
        """Yield the client of the target's cluster, or None when the file has no context of it. See `translated`.

        One whose credentials were refused is not used again: the file may have others by now, and where a login
        program failed, the library makes a client without any.

        Raises:
            ProviderRefused: the file cannot be used.
        """
        try:
            with translated(what):
                yield self._kept(target)
        except ProviderPermissionDenied:
            self._clients.pop(_context(target), None)
            raise

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _kept(self, target: NodePoolTarget) -> Any:
        from kubernetes.config import ConfigException
        from yaml import YAMLError

        try:
            return self._made(target)
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

    def _made(self, target: NodePoolTarget) -> Any:
        from kubernetes import client
        from kubernetes import config as untyped_config

        config: Any = untyped_config
        context = _context(target)
        if context not in self._clients:
            contexts, _ = config.list_kube_config_contexts(config_file=str(self._kubeconfig))
            if context not in {item["name"] for item in contexts}:
                return None
            settings = client.Configuration()
            settings.retries = False
            self._clients[context] = config.new_client_from_config(
                config_file=str(self._kubeconfig),
                context=context,
                persist_config=False,
                client_configuration=settings,
            )
        return self._clients[context]


def _context(target: NodePoolTarget) -> str:
    return f"gke_{target.project}_{target.location}_{target.cluster}"
