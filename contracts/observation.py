"""What the provider reported about a target, and the precondition derived from it.

Made by the first guard pass, shown to the approver, checked again right before the effect. Sizes come from the
zonal instance groups: a node pool has no current size of its own, and `initial_node_count` is not one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Contract, unsaid


class Accelerator(Contract):
    """GPUs attached to each node, in Google's names (`nvidia-tesla-a100`, `nvidia-l4`)."""

    type: str
    count: int = Field(ge=1)


class BootDisk(Contract):
    """The boot disk of each node (google.container.v1.NodeConfig)."""

    type: str = ""
    """`pd-standard`, `pd-balanced`, `pd-ssd`, `hyperdisk-balanced`; empty when the provider does not say."""
    size_gb: int = Field(default=0, ge=0)
    """0 when the provider does not say."""
    kms_key: str = ""
    """Resource name of the customer's key; empty when Google's own key encrypts it."""


class ZoneSize(Contract):
    """One zonal instance group of a node pool. `running` counts instances that run; target is what was asked."""

    zone: str
    instance_group: str
    target_size: int = Field(ge=0)
    running: int = Field(ge=0)
    stable: bool


class AutoscalingBounds(Contract):
    """Bounds of an enabled autoscaler: per zone, or pool-wide where `total_max_node_count` is set."""

    min_node_count: int = 0
    max_node_count: int = 0
    total_min_node_count: int = 0
    total_max_node_count: int = 0
    location_policy: str = ""

    @property
    def is_pool_wide(self) -> bool:
        """True when the bounds count the whole pool instead of each zone."""
        return self.total_max_node_count > 0


class ProviderOperation(Contract):
    """A long-running operation of the provider (google.container.v1.Operation)."""

    name: str
    type: str
    status: Literal["PENDING", "RUNNING", "DONE", "ABORTING"]
    target: str = ""
    """Resource name or link of what it changes."""
    started_at: datetime | None = None
    error_code: str | None = None
    """Stable code of the failure (a google.rpc.Code name or an ErrorInfo reason); None = no error."""

    @property
    def is_running(self) -> bool:
        """True while it can still change something."""
        return self.status != "DONE"


class NodePoolObservation(Contract):
    """A node pool as the provider reported it at `taken_at`."""

    kind: Literal["gke.node_pool"] = "gke.node_pool"
    taken_at: datetime
    status: str
    machine_type: str
    spot: bool = False
    accelerators: tuple[Accelerator, ...] = ()
    zones: tuple[ZoneSize, ...]
    autoscaling: AutoscalingBounds | None = None
    etag: str = ""
    version: str = ""
    cluster_node_count: int = Field(default=0, ge=0)
    """Nodes of the whole cluster."""
    operations: tuple[ProviderOperation, ...] = ()
    """Operations that run on the cluster."""
    labels: dict[str, str] = Field(default={}, exclude_if=unsaid)
    """Kubernetes labels that the pool gives its nodes."""
    resource_labels: dict[str, str] = Field(default={}, exclude_if=unsaid)
    """Google Cloud labels of the nodes' machines and disks; billing groups by them."""
    boot_disk: BootDisk | None = Field(default=None, exclude_if=unsaid)
    """None when it was observed before disks were read."""

    @property
    def target_sizes(self) -> dict[str, int]:
        """Zone → target size."""
        return {zone.zone: zone.target_size for zone in self.zones}

    @property
    def total_target(self) -> int:
        """Nodes asked for over all zones."""
        return sum(zone.target_size for zone in self.zones)

    @property
    def even_node_count(self) -> int | None:
        """Nodes per zone when every zone has the same target size, else None."""
        sizes = {zone.target_size for zone in self.zones}
        return sizes.pop() if len(sizes) == 1 else None


class SizesPrecondition(Contract):
    """A resize holds only while the pool is fixed, of this machine type, and each zone has this target size."""

    kind: Literal["sizes"] = "sizes"
    machine_type: str
    target_sizes: dict[str, int]

    def holds_for(self, seen: NodePoolObservation) -> bool:
        """Tell whether the pool is still what was approved."""
        return (
            seen.autoscaling is None
            and seen.machine_type == self.machine_type
            and seen.target_sizes == self.target_sizes
        )


class BoundsPrecondition(Contract):
    """A change of autoscaling bounds holds only while bounds, mode and machine type are these."""

    kind: Literal["bounds"] = "bounds"
    machine_type: str
    bounds: AutoscalingBounds | None

    def holds_for(self, seen: NodePoolObservation) -> bool:
        """Tell whether the pool is still what was approved."""
        return seen.machine_type == self.machine_type and seen.autoscaling == self.bounds


Precondition = Annotated[SizesPrecondition | BoundsPrecondition, Field(discriminator="kind")]
