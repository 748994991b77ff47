"""Reads a fleet file and turns it into the starting state. `practice.yaml` beside this file is built in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from emulators.gke.model import Autoscaling, Cluster, Group, Pool, Quota, State, Timing

PRACTICE = Path(__file__).with_name("practice.yaml")
VERSION = "1.33.4-gke.1350000"


class FleetPart(BaseModel):
    """Base of the parts of a fleet file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PoolSpec(FleetPart):
    """A node pool. Counts are per zone."""

    name: str
    machine_type: str
    node_count: int = Field(ge=0)
    spot: bool = False
    accelerators: dict[str, int] = {}
    labels: dict[str, str] = {}
    resource_labels: dict[str, str] = {}
    disk_type: str = "pd-balanced"
    disk_size_gb: int = Field(default=100, ge=10)
    boot_disk_kms_key: str = ""
    autoscaling: Autoscaling | None = None
    stock: int | dict[str, int] = {}
    """Machines there are: for each zone of the pool, or zone → number. Absent = enough."""
    zone_sizes: dict[str, int] = {}
    """Zone → size where the zones differ."""

    def stock_of(self, zone: str) -> int | None:
        """Return how many nodes a zone has machines for; None = enough."""
        return self.stock if isinstance(self.stock, int) else self.stock.get(zone)


class ClusterSpec(FleetPart):
    """A cluster. `zones` of a zonal cluster is its location and may be left out."""

    name: str
    location: str
    zones: list[str] = []
    version: str = VERSION
    node_pools: list[PoolSpec]

    @model_validator(mode="after")
    def _regional_needs_zones(self) -> ClusterSpec:
        if not self.zones and self.location.count("-") != 2:
            raise ValueError(f"cluster {self.name}: a regional cluster needs its zones")
        return self


class QuotaSpec(FleetPart):
    """At most `limit` accelerators of a type in a region."""

    region: str
    accelerator: str
    limit: int = Field(ge=0)


class ProjectSpec(FleetPart):
    """A project."""

    id: str
    number: int
    clusters: list[ClusterSpec]
    quotas: list[QuotaSpec] = []


class Fleet(FleetPart):
    """A whole fleet file."""

    projects: list[ProjectSpec]
    timing: Timing = Timing()


def load_fleet(name: str) -> State:
    """Return the starting state of `practice` or of a YAML file.

    Raises:
        OSError: the file cannot be read.
        yaml.YAMLError, pydantic.ValidationError: it does not describe a fleet.
    """
    path = PRACTICE if name == "practice" else Path(name)
    fleet = Fleet.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    return State(
        timing=fleet.timing,
        clusters=[_cluster(project, spec) for project in fleet.projects for spec in project.clusters],
        quotas=[
            Quota(project=project.id, **quota.model_dump())
            for project in fleet.projects
            for quota in project.quotas
        ],
    )


def _cluster(project: ProjectSpec, spec: ClusterSpec) -> Cluster:
    zones = spec.zones or [spec.location]
    return Cluster(
        project=project.id,
        project_number=project.number,
        location=spec.location,
        name=spec.name,
        version=spec.version,
        pools=[_pool(project.id, spec, pool, zones) for pool in spec.node_pools],
    )


def _pool(project: str, cluster: ClusterSpec, spec: PoolSpec, zones: list[str]) -> Pool:
    sizes = {zone: spec.zone_sizes.get(zone, spec.node_count) for zone in zones}
    return Pool(
        name=spec.name,
        machine_type=spec.machine_type,
        initial_node_count=spec.node_count,
        spot=spec.spot,
        accelerators=spec.accelerators,
        labels=spec.labels,
        resource_labels=spec.resource_labels,
        disk_type=spec.disk_type,
        disk_size_gb=spec.disk_size_gb,
        boot_disk_kms_key=spec.boot_disk_kms_key,
        autoscaling=spec.autoscaling,
        demand=sizes if spec.autoscaling else {},
        groups=[
            Group(
                zone=zone,
                name=group_name(project, cluster.name, spec.name, zone),
                target=size,
                running=size,
                stock=spec.stock_of(zone),
            )
            for zone, size in sizes.items()
        ],
    )


def group_name(project: str, cluster: str, pool: str, zone: str) -> str:
    """Return an instance group's name in GKE's form, `gke-<cluster>-<pool>-<hash>-grp`, stable for the zone."""
    mark = hashlib.sha256(f"{project}/{cluster}/{pool}/{zone}".encode()).hexdigest()[:8]
    return f"gke-{cluster[:16]}-{pool[:16]}-{mark}-grp"
