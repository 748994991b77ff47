from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.gke.reader import GkeNodePoolReader
from agents.planners.rules import RulesPlanner
from contracts.request import Answered, Request, RequestOutcome
from evals.scoring import load_cases, score
from tests.gke_fixtures import RunningEmulator, local_fleet
from tests.request_stack import CONFIGURATION

__all__ = ["local_fleet"]


@pytest.fixture
async def reader(local_fleet: RunningEmulator) -> AsyncIterator[GkeNodePoolReader]:
    opened = GkeNodePoolReader.to_endpoint(local_fleet.address, local_fleet.compute_url)
    yield opened
    await opened.close()


async def test_the_rules_planner_gets_every_seed_case_right(reader: GkeNodePoolReader) -> None:
    found = await score(RulesPlanner(reader, CONFIGURATION).plan, load_cases())
    assert found.misses == ()
    assert found.cases >= 12


async def test_a_planner_that_only_talks_is_scored_by_what_it_gets_right() -> None:
    async def talk(request: Request) -> RequestOutcome:
        return Answered(text="All is well.")

    found = await score(talk, load_cases())
    assert found.share == pytest.approx(3 / found.cases)
    assert "an absolute size" in {miss.name for miss in found.misses}
