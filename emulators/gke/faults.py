"""Planned failures of the emulated provider, switched on by `POST /admin/faults`.

EXECUTION and VERIFICATION are tried against these. Each is taken by the calls it matches, in the order set.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class FaultKind(StrEnum):
    """What goes wrong."""

    UNAVAILABLE = "unavailable"
    """UNAVAILABLE; nothing happened."""
    UNAVAILABLE_AFTER_EFFECT = "unavailable_after_effect"
    """UNAVAILABLE, but the change was accepted."""
    TIMEOUT_BEFORE_EFFECT = "timeout_before_effect"
    """The call hangs, then DEADLINE_EXCEEDED; nothing happened."""
    TIMEOUT_AFTER_EFFECT = "timeout_after_effect"
    """The change is accepted, the answer never comes."""
    INTERNAL = "internal"
    PERMISSION = "permission"
    QUOTA = "quota"
    """RESOURCE_EXHAUSTED with reason GCE_QUOTA_EXCEEDED."""
    QUOTA_FORBIDDEN = "quota_forbidden"
    """PERMISSION_DENIED without a reason, as users report it from the real service."""
    TOO_MANY_OPERATIONS = "too_many_operations"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"
    SLOW = "slow"
    """Answers rightly, `delay` seconds late."""
    STOCKOUT = "stockout"
    """Accepted; some zones get no machines; the operation ends with GCE_STOCKOUT."""
    PARTIAL = "partial"
    """Accepted; some zones get no machines; the operation ends without an error."""
    OPERATION_ERROR = "operation_error"
    """Accepted and carried out; the operation ends with INTERNAL."""
    STUCK = "stuck"
    """Accepted; the operation runs until an admin call finishes it."""

    @property
    def spoils_operation(self) -> bool:
        """True when the call succeeds and the operation carries the fault."""
        return self in _OF_OPERATIONS


_OF_OPERATIONS = frozenset(
    {FaultKind.STOCKOUT, FaultKind.PARTIAL, FaultKind.OPERATION_ERROR, FaultKind.STUCK}
)


class Fault(BaseModel):
    """A failure for the next calls of `method` that match. Empty fields match all."""

    model_config = ConfigDict(extra="forbid")

    method: str
    """A gRPC method name, or `instanceGroupManagers.get`."""
    kind: FaultKind
    times: int = Field(default=1, ge=-1)
    """How many calls it hits; -1 = all."""
    skip: int = Field(default=0, ge=0)
    """How many matching calls pass first."""
    project: str = ""
    location: str = ""
    cluster: str = ""
    node_pool: str = ""
    zones: list[str] = []
    """Zones without machines (stockout, partial). Empty = the last zone of the pool."""
    arrives: int = Field(default=0, ge=0)
    """Nodes that such a zone still gets."""
    recovers_after: float | None = Field(default=None, ge=0)
    """Seconds until such a zone has machines again; None = never."""
    delay: float | None = Field(default=None, ge=0)
    """Seconds a hanging or slow call takes; None = the `hang` setting."""

    def matches(self, method: str, where: dict[str, str]) -> bool:
        """Tell whether a call of `method` on the resource `where` is meant."""
        names = {"project": self.project, "location": self.location, "cluster": self.cluster}
        names["node_pool"] = self.node_pool
        return self.method == method and all(v in ("", where.get(k, "")) for k, v in names.items())


def take(faults: list[Fault], method: str, where: dict[str, str]) -> Fault | None:
    """Return the first fault that hits this call and count it; remove it when it is used up."""
    for fault in faults:
        if fault.times == 0 or not fault.matches(method, where):
            continue
        if fault.skip > 0:
            fault.skip -= 1
            continue
        if fault.times > 0:
            fault.times -= 1
            if fault.times == 0:
                faults.remove(fault)
        return fault.model_copy()
    return None
