"""From google.container.v1.Operation to our `ProviderOperation`. Used by EXECUTION (adopt, wait) and VERIFICATION.

DONE means ended, not succeeded: whether it failed stands in `error` or, in older answers, in the deprecated
conditions and text. Any of them counts as a failure.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal

from adapters.gke.enumerations import named
from contracts.action import NodePoolTarget
from contracts.observation import ProviderOperation

_TARGET = re.compile(
    r"/projects/[^/]+/(?:locations|zones)/(?P<location>[^/]+)/clusters/(?P<cluster>[^/]+)"
    r"(?P<rest>/nodePools/[^/]+)?"
)
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_Status = Literal["PENDING", "RUNNING", "DONE", "ABORTING"]
_STATUS: dict[str, _Status] = {"PENDING": "PENDING", "DONE": "DONE", "ABORTING": "ABORTING"}


def operations_on(answer: Any, target: NodePoolTarget) -> list[ProviderOperation]:
    """Return those operations of a `ListOperationsResponse` that work on the target's cluster, in its order.

    A location lists many of other clusters.
    """
    listed = type(answer).pb(answer).operations
    return [_translated(one, target) for one in listed if _is_on(one.target_link, target)]


def _is_on(link: str, target: NodePoolTarget) -> bool:
    """Tell whether a link leads into the target's cluster. Links may carry the project's number."""
    match = _TARGET.search(link)
    return match is not None and (match["location"], match["cluster"]) == (target.location, target.cluster)


def to_operation(operation: Any, target: NodePoolTarget) -> ProviderOperation:
    """Translate an operation that was read in the target's project and location.

    `target` of the result is a resource name with the project's id, equal to `NodePoolTarget.resource_name` for an
    operation on that pool. An unknown status counts as running.
    """
    return _translated(type(operation).pb(operation), target)


def _translated(operation: Any, target: NodePoolTarget) -> ProviderOperation:
    """Read the bare message: the client library's wrapper fails on values that are newer than itself, and is slow."""
    match = _TARGET.search(operation.target_link)
    name = operation.target_link
    if match is not None:
        base = f"projects/{target.project}/locations/{match['location']}/clusters/{match['cluster']}"
        name = base + (match["rest"] or "")
    return ProviderOperation(
        name=operation.name,
        type=named(operation.Type, operation.operation_type),
        status=_STATUS.get(named(operation.Status, operation.status), "RUNNING"),
        target=name,
        started_at=_time(operation.start_time),
        error_code=_error_code(operation),
    )


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _error_code(operation: Any) -> str | None:
    """The most telling stable code: ErrorInfo reason, else typed condition, else google.rpc.Code name."""
    from google.rpc import code_pb2, error_details_pb2

    for detail in operation.error.details:
        if detail.type_url == _ERROR_INFO:
            return str(error_details_pb2.ErrorInfo.FromString(detail.value).reason)
    conditions = [*operation.nodepool_conditions, *operation.cluster_conditions]
    codes = [named(condition.Code, condition.code) for condition in conditions if condition.code]
    if codes:
        return codes[0]
    if operation.error.code:
        known = operation.error.code in code_pb2.Code.values()
        return str(code_pb2.Code.Name(operation.error.code)) if known else "UNKNOWN"
    is_failed = operation.status == operation.DONE and (conditions or operation.status_message)
    return "UNKNOWN" if is_failed else None
