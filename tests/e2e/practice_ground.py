"""A fleet and its configuration, made so that every test gets a cluster, a team and a budget of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.gke_fixtures import FAST

CLUSTERS = 40
"""Per environment. A test that runs out of them should share."""
MONTHLY_LIMIT = "100000"
STAYS_CLOSED = {"failures": 100, "failures_in_window": 10_000, "least_outcomes": 10_000}
"""Limits of a breaker where failures are part of the course."""


@dataclass(frozen=True)
class Environment:
    """A project of its own: how many people must approve there."""

    name: str
    project: str
    location: str
    quorum: int

    @property
    def zones(self) -> list[str]:
        return [f"{self.location}-a", f"{self.location}-b"]


DEVELOPMENT = Environment("development", "acme-dev", "us-central1", 0)
STAGING = Environment("staging", "acme-stage", "europe-west4", 1)
PRODUCTION = Environment("production", "acme-prod", "europe-west4", 1)
CRITICAL = Environment("critical", "acme-core", "europe-west4", 2)
ENVIRONMENTS = (DEVELOPMENT, STAGING, PRODUCTION, CRITICAL)


@dataclass(frozen=True)
class Place:
    """One cluster. Each pool has one node in each of two zones, except where its name says otherwise."""

    environment: Environment
    name: str

    @property
    def cluster(self) -> str:
        return f"{self.environment.project}/{self.environment.location}/{self.name}"

    @property
    def zones(self) -> list[str]:
        return self.environment.zones

    def pool(self, pool: str = "web") -> str:
        """The target, as the emulator's admin calls and its log name it."""
        return f"{self.cluster}/{pool}"

    def resize(self, node_count: int, pool: str = "web") -> dict[str, Any]:
        return self._action("gke.node_pool.resize", pool) | {"node_count": node_count}

    def autoscaling(self, low: int, high: int, pool: str = "auto") -> dict[str, Any]:
        bounds = {"min_node_count": low, "max_node_count": high}
        return self._action("gke.node_pool.autoscaling", pool) | bounds

    def _action(self, kind: str, pool: str) -> dict[str, Any]:
        project, location = self.environment.project, self.environment.location
        where = {"project": project, "location": location, "cluster": self.name}
        return {"kind": kind, **where, "node_pool": pool}


class Ground:
    """Hands out clusters that no other test uses. The team of a cluster carries its name."""

    def __init__(self, clusters: int = CLUSTERS, **more: Any) -> None:
        """`more` are further sections of the configuration."""
        self._clusters = clusters
        self._more = more
        self._free: dict[str, Iterator[Place]] = {one.name: iter(self.places(one)) for one in ENVIRONMENTS}

    def places(self, environment: Environment) -> list[Place]:
        return [Place(environment, f"{environment.name[:4]}-{number:02}") for number in range(self._clusters)]

    def take(self, environment: Environment = DEVELOPMENT) -> Place:
        return next(self._free[environment.name])

    def write(self, directory: Path, **approval: Any) -> tuple[Path, Path]:
        """Write the fleet for the emulator and the configuration for Sluice; `approval` changes its limits."""
        fleet, configuration = directory / "fleet.yaml", directory / "sluice.yaml"
        fleet.write_text(yaml.safe_dump(self.fleet()))
        configuration.write_text(yaml.safe_dump(self.configuration(**approval)))
        return fleet, configuration

    def fleet(self) -> dict[str, Any]:
        numbers = itertools.count(100_000_000_001)
        projects = [
            {
                "id": one.project,
                "number": next(numbers),
                "clusters": [_cluster(place) for place in self.places(one)],
            }
            for one in ENVIRONMENTS
        ]
        return {"projects": projects, "timing": FAST}

    def configuration(self, **approval: Any) -> dict[str, Any]:
        places = [place for one in ENVIRONMENTS for place in self.places(one)]
        money = {"window": "month", "limit": MONTHLY_LIMIT, "currency": "USD"}
        return {
            "environments": {one.name: {"approval": {"quorum": one.quorum}} for one in ENVIRONMENTS},
            "targets": [_target(place) for place in places],
            "budgets": [{"scope": {"team": place.name}, **money} for place in places],
            # One test's failures must not stop the next one's effects, nor what it asked for again and again.
            "limits": {"max_share": 10.0, "breaker": STAYS_CLOSED, "repeats": {"proposals": 1_000}},
            "approval": approval,
            **self._more,
        }


def _cluster(place: Place) -> dict[str, Any]:
    even = {"machine_type": "e2-standard-4", "node_count": 1}
    first, second = place.zones
    return {
        "name": place.name,
        "location": place.environment.location,
        "zones": place.zones,
        "node_pools": [
            {"name": "web", **even},
            {"name": "auto", **even, "autoscaling": {"min_node_count": 1, "max_node_count": 3}},
            {"name": "uneven", **even, "zone_sizes": {first: 2, second: 1}},
            {"name": "unpriced", "machine_type": "x9-standard-4", "node_count": 1},
        ],
    }


def _target(place: Place) -> dict[str, Any]:
    project, location = place.environment.project, place.environment.location
    where = {"project": project, "location": location, "cluster": place.name, "node_pool": "*"}
    owned = {"environment": place.environment.name, "team": place.name, "max_nodes_per_zone": 10}
    return {"kind": "gke.node_pool", **where, **owned}
