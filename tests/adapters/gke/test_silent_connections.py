"""A connection to GKE whose other end is gone without a word: calls soon go over another one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.gke import connection
from adapters.gke.reader import GkeNodePoolReader
from contracts.action import NodePoolTarget
from contracts.errors import ProviderUnavailable
from contracts.observation import ProviderOperation
from tests.gke_fixtures import RunningEmulator
from tests.silent_relay import relay_to

TARGET = NodePoolTarget(project="acme-prod", location="europe-west4", cluster="serving", node_pool="web")
ATTEMPTS = 20


async def read(reader: GkeNodePoolReader) -> list[ProviderOperation] | None:
    try:
        return await reader.list_operations(TARGET)
    except ProviderUnavailable:
        return None


async def test_after_a_connection_fell_silent_the_provider_is_reached_again(
    local_fleet: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PING_AFTER", timedelta(seconds=1))
    monkeypatch.setattr(connection, "PING_ANSWERED_WITHIN", timedelta(seconds=4))
    async with relay_to(local_fleet.address) as relay:
        reader = GkeNodePoolReader.to_endpoint(
            relay.address, local_fleet.compute_url, timeout=timedelta(seconds=3)
        )
        try:
            assert await read(reader) is not None
            relay.silence()
            assert await read(reader) is None
            for _ in range(ATTEMPTS):
                if await read(reader) is not None:
                    break
        finally:
            await reader.close()
    assert relay.connections == 2
