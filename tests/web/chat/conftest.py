"""The chat pages with all that answers them: a real Temporal, workers, the practice fleet, a scripted model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser

from adapters.temporal.gateway import TemporalGateway
from contracts.messages import QUEUE_MAIN
from settings import TemporalSettings
from tests.gke_fixtures import RunningEmulator, emulated
from tests.openai_server import ChatServer, serving_chat
from tests.request_stack import RequestStack, running_stack
from tests.web.site import Site, serving_site


@dataclass
class Talk:
    """A served site with somebody who answers. Without `model` the rules planner does."""

    site: Site
    model: ChatServer
    fleet: RunningEmulator
    stack: RequestStack


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(tmp_path: Path) -> AsyncIterator[RunningEmulator]:
    async with emulated(tmp_path / "gke.jsonl") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def talk(
    migrated_database_url: str, browser: Browser, temporal_address: str, fleet: RunningEmulator
) -> AsyncIterator[Talk]:
    gateway = TemporalGateway(TemporalSettings(address=temporal_address))
    async with (
        serving_chat() as model,
        serving_site(migrated_database_url, browser, gateway=gateway) as site,
        running_stack(
            temporal_address,
            site.api.database,
            fleet,
            model,
            model_timeout=timedelta(seconds=20),
            queue=QUEUE_MAIN,
        ) as stack,
    ):
        yield Talk(site, model, fleet, stack)
