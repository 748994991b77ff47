"""Where changes may take place: environments and registered targets."""

from __future__ import annotations

import fnmatch
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from contracts.action import MAX_NODES_PER_ZONE, NodePoolTarget
from contracts.base import Contract
from contracts.configuration.values import Label, LabelValue, Name, Owner, Pattern
from contracts.principal import GroupName, Role

_WILD = frozenset("*?")
_IN_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
Cluster = tuple[str, str, str]
"""Project, location, cluster."""


class EnvironmentApproval(Contract):
    """Who must approve in an environment. `quorum: 0` is automatic when every guardrail allows."""

    quorum: int = Field(default=1, ge=0, le=10)
    roles: tuple[Role, ...] = (Role.APPROVER,)
    groups: tuple[GroupName, ...] = ()
    """Each of these must be among the approvers."""


class Environment(Contract):
    """One environment, for example production."""

    approval: EnvironmentApproval = EnvironmentApproval()
    production: bool | None = None
    """Whether the rules for production apply. By default the environment named `production` is."""


def counts_as_production(name: str, declared: Environment | None) -> bool:
    """Tell whether the rules for production apply. An undeclared environment counts as production."""
    if declared is None or declared.production is None:
        return declared is None or name == "production"
    return declared.production


class Target(Contract):
    """Registered node pools. `*` and `?` are wildcards in `node_pool` and `cluster`. The first match counts."""

    kind: Literal["gke.node_pool"]
    project: str
    location: str
    cluster: Pattern
    node_pool: Pattern = "*"
    environment: Name
    team: Name
    max_nodes_per_zone: int = Field(ge=0, le=MAX_NODES_PER_ZONE)
    owner: Owner | None = None
    """Who answers for it: a person or a group, for example `ana@example.com`."""
    labels: dict[Label, LabelValue] = {}
    """What policies read beside the pool's own labels, for example `data-residency: eu`."""
    protected: bool = False
    """Nothing may be changed here through Sluice."""
    purpose: Literal["training", "serving"] | None = None
    revenue_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the revenue that each pool of this entry carries; unsaid = unknown."""
    customer_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the customers that each pool of this entry serves; unsaid = unknown."""

    def matches(self, target: NodePoolTarget) -> bool:
        """Tell whether this entry registers the target."""
        return (
            self.kind == target.kind
            and self.project == target.project
            and self.location == target.location
            and fnmatch.fnmatchcase(target.cluster, self.cluster)
            and fnmatch.fnmatchcase(target.node_pool, self.node_pool)
        )

    def hides(self, later: Target) -> bool:
        """Tell whether whatever `later` registers is registered by this entry, too."""
        return (
            (self.kind, self.project, self.location) == (later.kind, later.project, later.location)
            and _includes(self.cluster, later.cluster)
            and _includes(self.node_pool, later.node_pool)
        )

    def may_meet(self, pattern: str) -> bool:
        """Tell whether this entry can register a target whose key a pattern of `*` and `?` matches."""
        return _overlap(self.pattern, pattern)

    @property
    def pattern(self) -> str:
        """The keys of what this entry registers, as one pattern."""
        return "/".join((self.kind, self.project, self.location, self.cluster, self.node_pool))

    @property
    def is_wide(self) -> bool:
        """Whether it names more than one node pool."""
        return bool(_WILD & set(self.cluster + self.node_pool))

    @property
    def named_pool(self) -> NodePoolTarget | None:
        """The one node pool that it names; None with a wildcard, or for a name that no pool can have."""
        if self.is_wide:
            return None
        try:
            return NodePoolTarget.model_validate(self.model_dump(include={*NodePoolTarget.model_fields}))
        except ValidationError:
            return None

    @property
    def named_cluster(self) -> Cluster | None:
        """The one cluster that it names; None with a wildcard."""
        return None if _WILD & set(self.cluster) else (self.project, self.location, self.cluster)


def _includes(wide: str, narrow: str) -> bool:
    """Tell whether one pattern surely matches whatever the other matches."""
    is_plain = not _WILD & set(narrow) or "?" not in wide
    return wide == narrow or (is_plain and fnmatch.fnmatchcase(narrow, wide))


def _overlap(one: str, other: str) -> bool:
    """Tell whether some text matches both patterns; what a wildcard of the first stands for is part of a name."""
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting:
        at, there = waiting.pop()
        head, facing = one[at : at + 1], other[there : there + 1]
        if not head and not facing:
            return True
        steps = []
        if head == "*":
            steps.append((at + 1, there))
        if facing == "*":
            steps.append((at, there + 1))
        if head and facing and (head == facing or facing in "*?" or (head in "*?" and facing in _IN_NAMES)):
            steps += [(at + (head != "*"), there + (facing != "*"))]
        waiting += [step for step in steps if step not in seen]
        seen.update(steps)
    return False
