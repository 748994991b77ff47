"""The closed catalogue of actions: what Sluice can be asked to change. PROPOSAL carries exactly one.

Values are absolute and desired, never deltas: repeating one is harmless. Unknown kinds and fields are refused.
A `node_count` and the bounds of an autoscaler are **per zone**, as in Google's API
(google.container.v1.SetNodePoolSizeRequest, NodePoolAutoscaling).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from contracts.base import Contract

MAX_NODES_PER_ZONE = 1_000
"""GKE's own limit of nodes per node pool and zone; the configuration's limits are far lower."""

ProjectId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,61}[a-z0-9]$")]
Location = Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]{1,2}(-[a-z])?$", max_length=40)]
ResourceName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
NodeCount = Annotated[int, Field(strict=True, ge=0, le=MAX_NODES_PER_ZONE)]


class NodePoolTarget(Contract):
    """One GKE node pool."""

    kind: Literal["gke.node_pool"] = "gke.node_pool"
    project: ProjectId
    location: Location
    cluster: ResourceName
    node_pool: ResourceName

    @property
    def key(self) -> str:
        """Stable text key, for example `gke.node_pool/acme-prod/europe-west4/serving/inference`."""
        return f"{self.kind}/{self.project}/{self.location}/{self.cluster}/{self.node_pool}"

    @property
    def serialisation_domain(self) -> str:
        """What the provider serialises operations on: for GKE the cluster. Leases are taken on it."""
        return f"gke.cluster/{self.project}/{self.location}/{self.cluster}"

    @property
    def cluster_name(self) -> str:
        """Google's resource name of the cluster."""
        return f"projects/{self.project}/locations/{self.location}/clusters/{self.cluster}"

    @property
    def resource_name(self) -> str:
        """Google's resource name of the node pool."""
        return f"{self.cluster_name}/nodePools/{self.node_pool}"


class NodePoolAction(Contract):
    """What the actions on a node pool share: the target, spelled flat."""

    project: ProjectId
    location: Location
    cluster: ResourceName
    node_pool: ResourceName

    @property
    def target(self) -> NodePoolTarget:
        """The node pool this acts on."""
        return NodePoolTarget(
            project=self.project, location=self.location, cluster=self.cluster, node_pool=self.node_pool
        )


class ResizeNodePool(NodePoolAction):
    """Set the size of a fixed node pool, in nodes per zone."""

    kind: Literal["gke.node_pool.resize"] = "gke.node_pool.resize"
    node_count: NodeCount

    @property
    def verb(self) -> str:
        """The action in one word, for a person."""
        return "resize"


class SetNodePoolAutoscaling(NodePoolAction):
    """Set the bounds of an autoscaled node pool, in nodes per zone."""

    kind: Literal["gke.node_pool.autoscaling"] = "gke.node_pool.autoscaling"
    min_node_count: NodeCount
    max_node_count: Annotated[int, Field(strict=True, ge=1, le=MAX_NODES_PER_ZONE)]

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.min_node_count > self.max_node_count:
            raise ValueError("min_node_count is above max_node_count")
        return self

    @property
    def verb(self) -> str:
        """The action in a few words, for a person."""
        return "set autoscaling bounds of"


Action = Annotated[ResizeNodePool | SetNodePoolAutoscaling, Field(discriminator="kind")]
"""Any action of the catalogue."""

ACTION: TypeAdapter[Action] = TypeAdapter(Action)
"""Validates and dumps any action."""

ACTION_KINDS: tuple[str, ...] = ("gke.node_pool.resize", "gke.node_pool.autoscaling")
