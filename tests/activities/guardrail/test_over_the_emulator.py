"""First passes over the practice fleet, with the file that `sluice up` uses: provider, OPA and database are real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.configuration import load
from adapters.gke.reader import GkeNodePoolReader
from adapters.prices.price_table import PriceTable
from contracts.action import ACTION, NodePoolTarget
from contracts.proposal import Proposal
from local.seed import SCENES, Scene
from tests.activities.guardrail.conftest import Guards
from tests.gke_fixtures import RunningEmulator, local_fleet

__all__ = ["local_fleet"]

PRACTICE = Path(__file__).resolve().parents[3] / "local" / "practice.yaml"
FIRST_PASS = {
    "succeeded": "ready",
    "awaiting_approval": "awaiting_approval",
    "denied": "denied",
    "rolled_back": "ready",
}


@pytest.fixture
async def reader(local_fleet: RunningEmulator) -> AsyncIterator[GkeNodePoolReader]:
    opened = GkeNodePoolReader.to_endpoint(local_fleet.address, local_fleet.compute_url)
    yield opened
    await opened.close()


@pytest.fixture
def practice(guards: Guards, reader: GkeNodePoolReader) -> Guards:
    guards.provider = reader  # type: ignore[assignment]
    guards.configuration = load(PRACTICE)
    return guards


async def propose(guards: Guards, scene: Scene) -> Proposal:
    action = ACTION.validate_python(scene.action)
    target = guards.configuration.registered(action.target)
    assert target is not None
    return await guards.propose(action=action, environment=target.environment, team=target.team)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_every_scene_of_the_first_minute_passes_as_it_should(practice: Guards, scene: Scene) -> None:
    proposal = await propose(practice, scene)
    result = await practice.check(proposal)
    assert result.state.value == FIRST_PASS[scene.ends_in], (await practice.row(proposal)).message
    if scene.ends_in == "denied":
        assert result.reason_code == "policy_gpu_outside_production"


async def test_every_pool_of_the_practice_fleet_has_a_price(
    practice: Guards, reader: GkeNodePoolReader
) -> None:
    prices, seen = PriceTable.load(), 0
    for entry in practice.configuration.targets:
        for name in await reader.list_node_pools(entry.project, entry.location, entry.cluster):
            target = NodePoolTarget(
                project=entry.project, location=entry.location, cluster=entry.cluster, node_pool=name
            )
            assert prices.node_price(entry.location, await reader.observe(target)).per_hour > 0
            seen += 1
    assert seen > 5


async def test_a_target_the_provider_does_not_know_is_denied(practice: Guards) -> None:
    scene = SCENES[0]
    missing = Scene(scene.name, {**scene.action, "node_pool": "absent"}, scene.reason, scene.ends_in)
    proposal = await propose(practice, missing)
    assert (await practice.check(proposal)).reason_code == "target_not_found"
