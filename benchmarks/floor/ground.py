"""The fleet that contenders change: one cluster and one pool per slot, so that none waits for another's lease.

Limits that would stop a proposal of a benchmark are wide; every gate is asked all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.e2e.practice_ground import PRODUCTION, STAYS_CLOSED, Environment, Ground, Place

_MANY = {"capacity": 10_000, "per_hour": 10_000}


class BenchGround(Ground):
    """Clusters in production, where one person approves, or in other environments that are named."""

    def __init__(
        self,
        slots: int,
        environments: Sequence[Environment] = (PRODUCTION,),
        pools: Sequence[str] = ("web",),
        **limits: Any,
    ) -> None:
        """Declare a cluster for each slot in each environment, with these pools; `limits` change the wide ones."""
        self._environments, self._pools = environments, pools
        wide = {
            "max_share": 10.0,
            "breaker": STAYS_CLOSED,
            "rates": dict.fromkeys(("target", "agent", "tenant", "fleet"), _MANY),
            "storm": {"proposals": 100_000, "changes": 100_000},
            "oscillation": {"turns": 20, "window": "1s"},
            "repeats": {"proposals": 1_000},
        }
        super().__init__(slots, limits=wide | limits)

    @property
    def slots(self) -> list[Place]:
        """Every cluster in production."""
        return self.places(PRODUCTION)

    def places(self, environment: Environment) -> list[Place]:
        """No clusters but where they were asked for."""
        return super().places(environment) if environment in self._environments else []

    def fleet(self) -> dict[str, Any]:
        """Only the pools that are used: the provider saves its whole memory at each change."""
        fleet = super().fleet()
        for project in fleet["projects"]:
            for cluster in project["clusters"]:
                even = cluster["node_pools"][0]
                cluster["node_pools"] = [even | {"name": name} for name in self._pools]
        return fleet
