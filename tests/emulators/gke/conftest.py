"""The emulator as a process, and Google's own client towards it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.cloud.container_v1 import ClusterManagerAsyncClient
from google.cloud.container_v1.services.cluster_manager.transports import ClusterManagerGrpcAsyncIOTransport

from tests.gke_fixtures import EmulatorProcess, RunningEmulator, emulated, practice_fleet

__all__ = ["practice_fleet"]


class Clock:
    """The provider's time. It passes when a test says so, and only then."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


class Client:
    """Google's client with retries off and the long names shortened."""

    def __init__(self, google: ClusterManagerAsyncClient) -> None:
        self.google = google

    async def call(self, method: str, *, timeout: float = 60.0, **request: Any) -> Any:
        return await getattr(self.google, method)(request=request, retry=None, timeout=timeout)

    async def set_size(self, pool: str, node_count: int, *, timeout: float = 60.0) -> Any:
        name = pool_name(pool)
        return await self.call("set_node_pool_size", name=name, node_count=node_count, timeout=timeout)

    async def operation(self, pool: str, name: str) -> Any:
        project, location, *_ = pool.split("/")
        return await self.call(
            "get_operation", name=f"projects/{project}/locations/{location}/operations/{name}"
        )


def pool_name(pool: str) -> str:
    project, location, cluster, node_pool = pool.split("/")
    return f"projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{node_pool}"


@asynccontextmanager
async def connected(emulator: RunningEmulator) -> AsyncIterator[Client]:
    channel = grpc.aio.insecure_channel(emulator.address)
    transport = ClusterManagerGrpcAsyncIOTransport(channel=channel)
    yield Client(ClusterManagerAsyncClient(transport=transport))
    await channel.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def local_fleet(tmp_path: Path, clock: Clock) -> AsyncIterator[RunningEmulator]:
    async with emulated(tmp_path / "gke.jsonl", clock) as running:
        yield running


@pytest.fixture
async def client(local_fleet: RunningEmulator) -> AsyncIterator[Client]:
    async with connected(local_fleet) as found:
        yield found


@pytest.fixture
async def process_client(practice_fleet: EmulatorProcess) -> AsyncIterator[Client]:
    async with connected(practice_fleet) as found:
        yield found
