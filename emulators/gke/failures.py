"""The refusals of the emulated API, in the shape of the real ones: code, text, ErrorInfo.

Reasons and texts are as reported by users of the real service; docs/emulator.md cites where.
"""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from emulators.gke.faults import FaultKind

DOMAIN = "container.googleapis.com"
DETAILS_KEY = "grpc-status-details-bin"


class ApiError(Exception):
    """A refusal: name of a google.rpc.Code, text, and ErrorInfo reason (empty = none is sent)."""

    def __init__(self, code: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason

    def grpc_code(self) -> grpc.StatusCode:
        """The gRPC status code."""
        return grpc.StatusCode[self.code]

    def metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Trailing metadata that carries the rich status (google.rpc.Status with details)."""
        details = []
        if self.reason:
            details.append(_packed(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN)))
        details.append(_packed(error_details_pb2.RequestInfo(request_id="0x0e3a5d1b00000001")))
        status = status_pb2.Status(code=code_pb2.Code.Value(self.code), message=self.message, details=details)
        return ((DETAILS_KEY, status.SerializeToString()),)


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.RequestInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def not_found(resource: str) -> ApiError:
    """The named resource is not there."""
    return ApiError("NOT_FOUND", f"Not found: {resource}.")


def invalid(message: str) -> ApiError:
    """A malformed request."""
    return ApiError("INVALID_ARGUMENT", message)


def conflict(operation: str) -> ApiError:
    """Another operation runs on the cluster. Its name is only in the text, as in the real API."""
    text = f"Cluster is running incompatible operation {operation}."
    return ApiError("FAILED_PRECONDITION", text, "CLUSTER_ALREADY_HAS_OPERATION")


def quota_forbidden(resource: str, requires: int, short: int, limit: int) -> ApiError:
    """Regional quota, answered as 403 without an ErrorInfo, as the real service is reported to do."""
    text = (
        f'Insufficient regional quota to satisfy request: resource "{resource}": request requires '
        f"'{requires}.0' and is short '{short}.0'. project has a quota of '{limit}.0' with "
        f"'{max(0, requires - short)}.0' available."
    )
    return ApiError("PERMISSION_DENIED", text)


_PLANNED = {
    FaultKind.UNAVAILABLE: ApiError("UNAVAILABLE", "The service is currently unavailable."),
    FaultKind.UNAVAILABLE_AFTER_EFFECT: ApiError("UNAVAILABLE", "The service is currently unavailable."),
    FaultKind.TIMEOUT_BEFORE_EFFECT: ApiError("DEADLINE_EXCEEDED", "Deadline expired."),
    FaultKind.TIMEOUT_AFTER_EFFECT: ApiError("DEADLINE_EXCEEDED", "Deadline expired."),
    FaultKind.INTERNAL: ApiError("INTERNAL", "Internal error encountered."),
    FaultKind.PERMISSION: ApiError(
        "PERMISSION_DENIED", 'Required "container.clusters.update" permission.', "IAM_PERMISSION_DENIED"
    ),
    FaultKind.QUOTA: ApiError("RESOURCE_EXHAUSTED", "Insufficient regional quota.", "GCE_QUOTA_EXCEEDED"),
    FaultKind.QUOTA_FORBIDDEN: quota_forbidden("NVIDIA_L4_GPUS", 8, 4, 4),
    FaultKind.TOO_MANY_OPERATIONS: ApiError(
        "RESOURCE_EXHAUSTED",
        "Too many operations: cluster hits the concurrent operations quota 5, please try again later.",
        "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
    ),
    FaultKind.CONFLICT: conflict("operation-1731137433803-00000000-0000-4000-8000-000000000000"),
    FaultKind.NOT_FOUND: not_found("the resource"),
}


def planned(kind: FaultKind) -> ApiError | None:
    """The refusal that a planned fault answers with; None when the call itself succeeds."""
    error = _PLANNED.get(kind)
    return None if error is None else ApiError(error.code, error.message, error.reason)
