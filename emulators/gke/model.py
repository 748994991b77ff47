"""State of the emulated provider: clusters, node pools, instance groups, operations.

EXECUTION and VERIFICATION meet this instead of Google. Everything here is plain data that survives as JSON, so a
restarted emulator forgets nothing. Times are seconds since the epoch; sizes are nodes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from emulators.gke.faults import Fault

OperationStatus = Literal["PENDING", "RUNNING", "DONE", "ABORTING"]


class Timing(BaseModel):
    """How long things take, in seconds. `POST /admin/settings` changes it while running."""

    model_config = ConfigDict(extra="forbid")

    pending: float = Field(default=0.5, ge=0)
    """An operation stays PENDING this long; the instance groups are resized when it starts to run."""
    operation: float = Field(default=1.0, ge=0)
    """An operation runs at least this long."""
    node_start: float = Field(default=4.0, ge=0)
    """A node needs this long to run after its group was resized."""
    node_stop: float = Field(default=2.0, ge=0)
    stagger: float = Field(default=0.1, ge=0)
    """Each further node of the same group comes or goes this much later."""
    stockout: float = Field(default=8.0, ge=0)
    """A running operation gives up waiting for capacity after this long."""
    autoscaler: float = Field(default=10.0, ge=0)
    """The autoscaler corrects a pool this long after it was changed."""
    hang: float = Field(default=120.0, ge=0)
    """How long a call that is made to hang keeps its caller waiting."""


class Group(BaseModel):
    """One zonal managed instance group. `target` is what was asked, `running` what there is."""

    zone: str
    name: str
    target: int
    running: int
    creating: list[float] = []
    """When each node that is being created will run."""
    deleting: list[float] = []
    """When each node that is being deleted will be gone; it counts as running until then."""
    stock: int | None = None
    """The zone has machines for at most this many nodes; None = enough."""
    stock_until: float | None = None
    """The shortage ends then; None = it lasts."""

    @property
    def stable(self) -> bool:
        """True when nothing is being created or deleted and the target is reached."""
        return self.running == self.target and not self.creating and not self.deleting

    @property
    def staying(self) -> int:
        """Running nodes that are not being deleted."""
        return self.running - len(self.deleting)

    def resize(self, target: int, at: float, timing: Timing) -> None:
        """Ask for another size at the time `at`. Without stock the missing nodes are simply not created."""
        self.target = target
        self.retry(at, timing)

    def retry(self, at: float, timing: Timing) -> None:
        """Plan the nodes that are missing or too many, as the group keeps doing by itself."""
        self.creating = []
        missing = self.target - self.staying
        if missing > 0:
            room = missing if self.stock is None else max(0, self.stock - self.staying)
            self.creating = [at + timing.node_start + i * timing.stagger for i in range(min(missing, room))]
        elif missing < 0:
            self.deleting += [at + timing.node_stop + i * timing.stagger for i in range(-missing)]

    def next_event(self) -> float | None:
        """When something happens next by itself."""
        times = [*self.creating[:1], *self.deleting[:1]]
        if self.stock_until is not None:
            times.append(self.stock_until)
        return min(times, default=None)

    def step(self, at: float, timing: Timing) -> None:
        """Let everything happen that is due at `at`."""
        if self.stock_until is not None and self.stock_until <= at:
            self.stock = self.stock_until = None
            self.retry(at, timing)
        while self.creating and self.creating[0] <= at:
            self.creating.pop(0)
            self.running += 1
        while self.deleting and self.deleting[0] <= at:
            self.deleting.pop(0)
            self.running -= 1


class Autoscaling(BaseModel):
    """Bounds of an enabled autoscaler: per zone, or of the whole pool by the `total_` fields."""

    model_config = ConfigDict(extra="forbid")

    min_node_count: int = 0
    max_node_count: int = 0
    total_min_node_count: int = 0
    total_max_node_count: int = 0
    location_policy: str = ""

    @property
    def is_pool_wide(self) -> bool:
        """True when the bounds count the whole pool."""
        return self.total_max_node_count > 0


class Pool(BaseModel):
    """A node pool. `initial_node_count` never follows a resize, on purpose."""

    name: str
    machine_type: str
    initial_node_count: int
    groups: list[Group]
    spot: bool = False
    accelerators: dict[str, int] = {}
    labels: dict[str, str] = {}
    """Kubernetes labels of the nodes."""
    resource_labels: dict[str, str] = {}
    disk_type: str = "pd-balanced"
    disk_size_gb: int = 100
    boot_disk_kms_key: str = ""
    """Resource name of the customer's key; empty = Google's own."""
    autoscaling: Autoscaling | None = None
    demand: dict[str, int] = {}
    """Nodes per zone that the autoscaler finds right for the load, before its bounds."""
    autoscale_at: float | None = None
    """When the autoscaler looks again; None = it is content."""
    condition: OperationError | None = None
    """Why the pool is RUNNING_WITH_ERROR, if it is."""
    revision: int = 1

    def group(self, zone: str) -> Group | None:
        """The instance group of a zone."""
        return next((group for group in self.groups if group.zone == zone), None)

    def wanted_by_autoscaler(self) -> dict[str, int]:
        """Zone → size the autoscaler would set. Empty when it is off."""
        bounds = self.autoscaling
        if bounds is None:
            return {}
        if not bounds.is_pool_wide:
            low, high = bounds.min_node_count, bounds.max_node_count
            return {g.zone: min(max(self.demand.get(g.zone, 0), low), high) for g in self.groups}
        total = sum(self.demand.get(g.zone, 0) for g in self.groups)
        total = min(max(total, bounds.total_min_node_count), bounds.total_max_node_count)
        each, rest = divmod(total, len(self.groups))
        return {g.zone: each + (1 if i < rest else 0) for i, g in enumerate(self.groups)}


class OperationError(BaseModel):
    """Why an operation failed: google.rpc.Code name, text, and the deprecated but typed StatusCondition code."""

    code: str
    message: str
    condition: str = "UNKNOWN"


class EffectKind(StrEnum):
    """What an operation does when it starts to run."""

    NONE = "none"
    SIZE = "size"
    AUTOSCALING = "autoscaling"


class Operation(BaseModel):
    """A long-running operation on a cluster."""

    name: str
    type: str
    project: str
    location: str
    cluster: str
    node_pool: str | None = None
    status: OperationStatus = "PENDING"
    created_at: float
    run_at: float
    done_at: float | None
    """Not before this; None = only when told so by an admin call."""
    give_up_at: float | None = None
    ended_at: float | None = None
    error: OperationError | None = None
    effect: EffectKind = EffectKind.NONE
    node_count: int = 0
    autoscaling: Autoscaling | None = None
    fault: Fault | None = None
    """A planned failure of this operation."""
    message: Any = Field(default=None, exclude=True, repr=False)
    """Google's message of it once it has ended, as it was first told: it changes no more. Not part of the state."""


class Cluster(BaseModel):
    """A zonal or regional cluster."""

    project: str
    project_number: int
    location: str
    name: str
    version: str
    pools: list[Pool]
    operations: list[Operation] = []

    @property
    def is_zonal(self) -> bool:
        """True when the location is a zone, such as europe-west1-b."""
        return self.location.count("-") == 2

    def pool(self, name: str) -> Pool | None:
        """The node pool of that name."""
        return next((pool for pool in self.pools if pool.name == name), None)

    def running_operation(self) -> Operation | None:
        """The operation that keeps others out, if any."""
        return next((op for op in self.operations if op.status != "DONE"), None)


class Quota(BaseModel):
    """At most `limit` accelerators of a type in a region of a project."""

    model_config = ConfigDict(extra="forbid")

    project: str
    region: str
    accelerator: str
    limit: int = Field(ge=0)


class State(BaseModel):
    """All of it."""

    timing: Timing = Timing()
    clusters: list[Cluster]
    quotas: list[Quota] = []
    faults: list[Fault] = []
    effects: int = 0
    """How many mutating calls were accepted so far."""
    calls: int = 0
    unlogged: str = ""
    """The log line of the last saved call, in case the process died before it was written."""


Pool.model_rebuild()
