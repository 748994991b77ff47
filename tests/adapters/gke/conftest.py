"""The adapter's two identities towards the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.gke.effector import GkeNodePoolEffector
from adapters.gke.reader import GkeNodePoolReader
from tests.gke_fixtures import RunningEmulator, local_fleet, practice_fleet

__all__ = ["local_fleet", "practice_fleet"]


@pytest.fixture
async def reader(local_fleet: RunningEmulator) -> AsyncIterator[GkeNodePoolReader]:
    found = GkeNodePoolReader.to_endpoint(
        local_fleet.address, local_fleet.compute_url, timeout=timedelta(seconds=4)
    )
    yield found
    await found.close()


@pytest.fixture
async def effector(local_fleet: RunningEmulator) -> AsyncIterator[GkeNodePoolEffector]:
    found = GkeNodePoolEffector.to_endpoint(local_fleet.address, local_fleet.compute_url)
    yield found
    await found.close()
