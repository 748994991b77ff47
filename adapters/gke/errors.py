"""Turns what Google's libraries raise into our errors, at the edge. Used by every call to GKE.

Classified by ErrorInfo reason first and gRPC code second, never by text. The same code means two things: a lost
answer to a read is `ProviderUnavailable`, to a change it is `ProviderAmbiguous`.
Codes: https://cloud.google.com/apis/design/errors; reasons: docs/emulator.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.errors import (
    ProviderAmbiguous,
    ProviderConflict,
    ProviderError,
    ProviderPermissionDenied,
    ProviderQuotaExceeded,
    ProviderRefused,
    ProviderUnavailable,
    TargetNotFound,
)

_BY_REASON: dict[str, type[ProviderError]] = {
    "CLUSTER_ALREADY_HAS_OPERATION": ProviderConflict,
    "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED": ProviderUnavailable,
    "RATE_LIMIT_EXCEEDED": ProviderUnavailable,
    "GCE_QUOTA_EXCEEDED": ProviderQuotaExceeded,
    "IAM_PERMISSION_DENIED": ProviderPermissionDenied,
}
_REFUSED: dict[str, type[ProviderError]] = {
    "INVALID_ARGUMENT": ProviderRefused,
    "FAILED_PRECONDITION": ProviderRefused,
    "OUT_OF_RANGE": ProviderRefused,
    "ALREADY_EXISTS": ProviderRefused,
    "UNIMPLEMENTED": ProviderRefused,
    "NOT_FOUND": TargetNotFound,
    "PERMISSION_DENIED": ProviderPermissionDenied,
    "UNAUTHENTICATED": ProviderPermissionDenied,
    # GKE's own quota refusals are PERMISSION_DENIED; this one without a reason is throttling.
    "RESOURCE_EXHAUSTED": ProviderUnavailable,
}
"""Answers that prove that nothing was changed. Every other code leaves that open."""

MAX_TEXT = 400


def provider_error(call: str, code: str, reason: str, text: str, *, mutating: bool) -> ProviderError:
    """Build our error for a refused or lost call.

    Args:
        call: what was called on what, for the reader.
        code: name of a google.rpc.Code.
        reason: ErrorInfo reason, or empty.
        text: Google's text, only for the reader.
        mutating: whether the call could change something.
    """
    kind: type[ProviderError] = ProviderAmbiguous if mutating else ProviderUnavailable
    if code in _REFUSED:
        kind = _BY_REASON.get(reason, _REFUSED[code])
    label = f"{code}, {reason}" if reason else code
    return kind(f"{call}: {label}: {text[:MAX_TEXT]}")


@contextmanager
def translated(call: str, *, mutating: bool) -> Iterator[None]:
    """Let nothing of google.api_core, google.auth or grpc out of the block.

    Raises:
        ProviderError: one of its subclasses, with the vendor's error as cause.
    """
    # Imported here because these modules are slow to load and not every process calls GKE.
    import grpc
    from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
    from google.auth.exceptions import GoogleAuthError, TransportError

    lost = ProviderAmbiguous if mutating else ProviderUnavailable
    try:
        yield
    except GoogleAPICallError as error:
        status = error.grpc_status_code
        code = status.name if status is not None else "UNKNOWN"
        raise provider_error(
            call, code, error.reason or "", error.message or "", mutating=mutating
        ) from error
    except GoogleAuthError as error:
        # Raised while the token is fetched, which is before the call is sent. Its text may quote the answer.
        is_passing = error.retryable or isinstance(error, TransportError)
        kind = ProviderUnavailable if is_passing else ProviderPermissionDenied
        raise kind(f"{call}: no valid credentials of Google: {type(error).__name__}") from error
    except (GoogleAPIError, grpc.RpcError, grpc.aio.UsageError, grpc.aio.InternalError, OSError) as error:
        raise lost(f"{call}: {type(error).__name__}") from error
