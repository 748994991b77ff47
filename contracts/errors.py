"""Our errors. Vendor errors stop at the adapter and become one of these, with the cause chained.

`reason_code` is stable and machine-readable; nobody branches on a message.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar


class SluiceError(Exception):
    """Base. `retryable` tells Temporal whether another attempt can help."""

    reason_code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False


class ProviderError(SluiceError):
    """Base of everything an infrastructure provider answers."""

    reason_code = "provider_error"


class ProviderUnavailable(ProviderError):
    """The provider could not be reached or is overloaded. Nothing was changed by this call."""

    reason_code = "provider_unavailable"
    retryable = True


class ProviderAmbiguous(ProviderError):
    """The call may or may not have taken effect: read before any retry."""

    reason_code = "provider_ambiguous"
    retryable = True


class ProviderConflict(ProviderError):
    """Another operation runs on the cluster (ErrorInfo reason `CLUSTER_ALREADY_HAS_OPERATION`)."""

    reason_code = "provider_conflict"
    retryable = True


class ProviderRefused(ProviderError):
    """The provider refused the call for good: invalid argument or failed precondition. Nothing was changed."""

    reason_code = "provider_refused"


class ProviderPermissionDenied(ProviderRefused):
    """Our identity may not do this."""

    reason_code = "provider_permission_denied"


class ProviderQuotaExceeded(ProviderRefused):
    """A quota of the project does not allow it."""

    reason_code = "provider_quota_exceeded"


class TargetNotFound(ProviderRefused):
    """The target does not exist at the provider."""

    reason_code = "target_not_found"


class PolicyUnavailable(SluiceError):
    """OPA did not answer, or answered without its sentinel. Never an allow."""

    reason_code = "policy_unavailable"


class RecordUnreadable(SluiceError):
    """The facts that a guard pass recorded cannot be read whole by this version."""

    reason_code = "record_unreadable"


class NotReplayable(SluiceError):
    """A recorded guard pass says nothing about a candidate. The message says why."""

    reason_code = "not_replayable"


class PriceUnknown(SluiceError):
    """The price table has no price for this machine type in this region."""

    reason_code = "price_unknown"


class ModelUnavailable(SluiceError):
    """The model's endpoint failed in a way that another attempt may cure, after `retry_after` where it said so."""

    reason_code = "model_unavailable"
    retryable = True

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelRefused(SluiceError):
    """The model's endpoint refused for good, or answered with something that is not an answer."""

    reason_code = "model_output_invalid"


class StoreUnavailable(SluiceError):
    """The database cannot be reached or is locked."""

    reason_code = "store_unavailable"
    retryable = True


class TablesNotCurrent(SluiceError):
    """The database's tables are of another version than this code's. The message names both, and what to do."""

    reason_code = "tables_not_current"


class NotFound(SluiceError):
    """There is no such request, proposal or decision."""

    reason_code = "not_found"


class IdempotencyKeyReused(SluiceError):
    """An idempotency key came again with another body."""

    reason_code = "idempotency_key_reused"


class IllegalTransition(SluiceError):
    """A proposal was to be moved along an edge its state table does not have."""

    reason_code = "illegal_transition"


class StaleFence(SluiceError):
    """A newer attempt holds the fence; this one may no longer act."""

    reason_code = "stale_fence"


class ConfigurationInvalid(SluiceError):
    """The declarative file is wrong. The message names file, line and reason."""

    reason_code = "configuration_invalid"


class WorkflowUnavailable(SluiceError):
    """Temporal did not answer in time. What was committed is redelivered from the outbox."""

    reason_code = "workflow_unavailable"
    retryable = True


class DecisionNotAccepted(SluiceError):
    """The workflow refused a decision for good. `code` is the refusal's stable reason code."""

    reason_code = "decision_refused"

    def __init__(self, code: str) -> None:
        """Keep the code that the validator gave, for example `decision_late`."""
        super().__init__(code)
        self.code = code


class AlreadyVoted(SluiceError):
    """A decision of this reviewer on this revision stands already."""

    reason_code = "already_voted"


class IdentityProviderUnavailable(SluiceError):
    """The identity provider did not answer, or answered with something that is not an answer."""

    reason_code = "identity_provider_unavailable"
    retryable = True


class SignInRefused(SluiceError):
    """Somebody could not be signed in. `code` is the stable reason code; the message is for them to read."""

    reason_code = "sign_in_refused"

    def __init__(self, message: str, *, reason_code: str) -> None:
        """Keep the code, for example `id_token_invalid`."""
        super().__init__(message)
        self.code = reason_code
