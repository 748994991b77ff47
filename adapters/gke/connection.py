"""How to reach GKE: Google with the process's own identity, or a plaintext endpoint such as the emulator.

Heavy libraries are loaded with the first call, so that a command line that imports this starts fast. Client
retries are off everywhere: Temporal retries.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Self

import aiohttp

from adapters.gke.errors import translated
from adapters.store.database import forbid_in_transaction

GOOGLE_CONTAINER = "container.googleapis.com"
GOOGLE_COMPUTE = "https://compute.googleapis.com"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
PING_AFTER = timedelta(seconds=30)
"""How long a connection may be silent under a call before it is tried. More often, servers take it for an attack."""
PING_ANSWERED_WITHIN = timedelta(seconds=10)
"""Then it is given up. gRPC's own measure is a minute, and none where it has no ping of its own under way. So long
every call would time out on a connection whose other end is gone."""
MOST_BYTES = 64 * 1024 * 1024
"""Of one answer. gRPC's own 4 MiB, which Google's client lifts on the channels it makes, are fewer than the operations
of a busy location."""


class Connection:
    """Clients of the Container API (gRPC) and of the Compute API (HTTP), made when first used.

    One connection serves one identity, named by `agent` in the calls' user agent. `close` it in the end.
    """

    def __init__(self, *, endpoint: str | None, compute_endpoint: str | None, agent: str) -> None:
        self._endpoint = endpoint
        self._compute = (compute_endpoint or GOOGLE_COMPUTE).rstrip("/")
        self._agent = agent
        self._channel: Any = None
        self._client: Any = None
        self._http: aiohttp.ClientSession | None = None
        self._credentials: Any = None
        self._lock = asyncio.Lock()

    @classmethod
    def to_endpoint(cls, endpoint: str, compute_endpoint: str, *, agent: str) -> Self:
        """Plaintext gRPC at `host:port`, Compute at an http URL; no credentials are sent."""
        return cls(endpoint=endpoint, compute_endpoint=compute_endpoint, agent=agent)

    @classmethod
    def to_google(cls, *, agent: str) -> Self:
        """Google Cloud by application default credentials (workload identity)."""
        return cls(endpoint=None, compute_endpoint=None, agent=agent)

    async def container(self) -> Any:
        """Return the `ClusterManagerAsyncClient`.

        Raises:
            ProviderPermissionDenied: this process has no Google credentials.
        """
        forbid_in_transaction()
        async with self._lock:
            if self._client is None:
                with translated("connect to GKE", mutating=False):
                    self._client = await self._connect()
            return self._client

    async def _connect(self) -> Any:
        import grpc.aio
        from google.cloud.container_v1 import ClusterManagerAsyncClient
        from google.cloud.container_v1.services.cluster_manager.transports import (
            ClusterManagerGrpcAsyncIOTransport,
        )

        options: list[tuple[str, str | int]] = [
            ("grpc.primary_user_agent", self._agent),
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", MOST_BYTES),
            # gRPC's own pause grows to two minutes; a provider that is back shall be used again at once.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.keepalive_time_ms", _milliseconds(PING_AFTER)),
            ("grpc.keepalive_timeout_ms", _milliseconds(PING_ANSWERED_WITHIN)),
            ("grpc.http2.ping_timeout_ms", _milliseconds(PING_ANSWERED_WITHIN)),
        ]
        if self._endpoint is not None:
            # A plaintext endpoint is near; a proxy of the environment must not see it.
            options.append(("grpc.enable_http_proxy", 0))
            self._channel = grpc.aio.insecure_channel(self._endpoint, options=options)
        else:
            self._channel = ClusterManagerGrpcAsyncIOTransport.create_channel(
                f"{GOOGLE_CONTAINER}:443", credentials=await self._google_credentials(), options=options
            )
        transport = ClusterManagerGrpcAsyncIOTransport(channel=self._channel)
        return ClusterManagerAsyncClient(transport=transport)

    async def _google_credentials(self) -> Any:
        if self._credentials is None:
            import google.auth

            self._credentials, _ = await asyncio.to_thread(google.auth.default, scopes=SCOPES)
        return self._credentials

    async def compute_headers(self) -> dict[str, str]:
        """Return the headers of a Compute call: a fresh bearer token, or none for an endpoint.

        Raises:
            ProviderPermissionDenied, ProviderUnavailable: no token could be got.
        """
        forbid_in_transaction()
        headers = {"User-Agent": self._agent}
        if self._endpoint is not None:
            return headers
        async with self._lock:
            with translated("get a token for Compute", mutating=False):
                credentials = await self._google_credentials()
                if not credentials.valid:
                    from google.auth.transport.requests import Request

                    await asyncio.to_thread(credentials.refresh, Request())
                credentials.apply(headers)
        return headers

    def http(self) -> aiohttp.ClientSession:
        """Return the HTTP session for Compute."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    def compute_url(self, path: str) -> str:
        """Return the URL of a Compute path that starts with `projects/`."""
        return f"{self._compute}/compute/v1/{path}"

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
        if self._channel is not None:
            await self._channel.close()
        self._http = self._channel = self._client = None


def _milliseconds(time: timedelta) -> int:
    return time // timedelta(milliseconds=1)
