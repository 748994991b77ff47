"""Local stack: the first minute. Four proposals arrive in the practice fleet, one for each way a proposal can end.

They go through the API like anybody else's, under the local requester's token, each with an `Idempotency-Key`: a
restarted stack asks for the same four and gets the same four.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from local.probes import PLAIN

_DEV = {"project": "acme-dev", "location": "us-central1", "cluster": "dev"}
_PROD = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving"}


@dataclass(frozen=True, slots=True)
class Scene:
    """One proposal of the first minute, and the state it comes to rest in without a person."""

    name: str
    action: Mapping[str, Any]
    reason: str
    ends_in: str


SCENES = (
    Scene(
        name="allowed",
        action={"kind": "gke.node_pool.resize", **_DEV, "node_pool": "default", "node_count": 2},
        reason="integration tests need a second node per zone",
        ends_in="succeeded",
    ),
    Scene(
        name="waiting",
        action={"kind": "gke.node_pool.resize", **_PROD, "node_pool": "inference", "node_count": 3},
        reason="the inference queue is spiking",
        ends_in="awaiting_approval",
    ),
    Scene(
        name="denied",
        action={"kind": "gke.node_pool.resize", **_DEV, "node_pool": "gpu-a100-80gb", "node_count": 1},
        reason="try the larger model on an 80 GB GPU",
        ends_in="denied",
    ),
    Scene(
        name="rolled back",
        action={"kind": "gke.node_pool.resize", **_DEV, "node_pool": "scarce", "node_count": 2},
        reason="more L4 nodes for the batch job; one zone has none left",
        ends_in="rolled_back",
    ),
)


async def seed_demo(url: str, token: str) -> dict[str, str]:
    """Ask for every scene and return scene name → proposal id.

    Raises:
        httpx.HTTPStatusError: the API refused one.
    """
    headers = {"Authorization": f"Bearer {token}"}
    proposals: dict[str, str] = {}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=30, trust_env=False, verify=PLAIN
    ) as http:
        for scene in SCENES:
            answer = await http.post(
                "/v1/proposals",
                json={"action": dict(scene.action), "reason": scene.reason},
                headers={"Idempotency-Key": f"seed-{scene.name.replace(' ', '-')}"},
            )
            answer.raise_for_status()
            proposals[scene.name] = str(answer.json()["proposal_id"])
    return proposals
