"""The fleet that contenders change: one cluster and one pool per slot, so that none waits for another's lease.

Limits that would stop a proposal of a benchmark are wide; every gate is asked all the same.
"""

from __future__ import annotations

from typing import Any

from tests.e2e.practice_ground import PRODUCTION, Environment, Ground, Place

_MANY = {"capacity": 10_000, "per_hour": 10_000}


class BenchGround(Ground):
    """Clusters in production only, where one person approves."""

    def __init__(self, slots: int) -> None:
        """Declare a cluster for each slot."""
        limits = {
            "max_share": 10.0,
            "breaker": {"failures": 100},
            "rates": dict.fromkeys(("target", "agent", "tenant", "fleet"), _MANY),
            "storm": {"proposals": 100_000, "changes": 100_000},
            "oscillation": {"turns": 20, "window": "1s"},
            "repeats": {"proposals": 1_000},
        }
        super().__init__(slots, limits=limits)

    @property
    def slots(self) -> list[Place]:
        """Every cluster there is."""
        return self.places(PRODUCTION)

    def places(self, environment: Environment) -> list[Place]:
        """No clusters but in production."""
        return super().places(environment) if environment == PRODUCTION else []

    def fleet(self) -> dict[str, Any]:
        """Only the pools that are used: the provider saves its whole memory at each change."""
        fleet = super().fleet()
        for project in fleet["projects"]:
            for cluster in project["clusters"]:
                cluster["node_pools"] = cluster["node_pools"][:1]
        return fleet
