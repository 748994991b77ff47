"""Every code GKE can answer, with every reason we know, becomes one of our errors: none leaks."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.api_core import exceptions as untyped_api_errors
from google.auth import exceptions as untyped_auth_errors
from google.rpc import code_pb2

from adapters.gke.errors import provider_error, translated
from contracts.errors import (
    ProviderAmbiguous,
    ProviderConflict,
    ProviderError,
    ProviderPermissionDenied,
    ProviderUnavailable,
)

api_errors: Any = untyped_api_errors
auth_errors: Any = untyped_auth_errors
CODES = [name for name in code_pb2.Code.keys() if name != "OK"]  # noqa: SIM118
OPEN = {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


@pytest.mark.parametrize("code", CODES)
def test_a_code_that_leaves_the_effect_open_is_ambiguous_for_changes_only(code: str) -> None:
    change = provider_error("set", code, "", "text", mutating=True)
    read = provider_error("get", code, "", "text", mutating=False)
    assert isinstance(change, ProviderAmbiguous) is (code in OPEN)
    assert not isinstance(read, ProviderAmbiguous)
    assert isinstance(read, ProviderUnavailable) is (code in OPEN | {"RESOURCE_EXHAUSTED"})


@pytest.mark.parametrize("code", CODES)
def test_a_known_reason_never_hides_that_the_effect_is_open(code: str) -> None:
    error = provider_error("set", code, "CLUSTER_ALREADY_HAS_OPERATION", "text", mutating=True)
    assert isinstance(error, ProviderAmbiguous if code in OPEN else ProviderConflict)


@pytest.mark.parametrize("text", ["CLUSTER_ALREADY_HAS_OPERATION", "quota", "not found"])
def test_the_text_decides_nothing(text: str) -> None:
    error = provider_error("set", "PERMISSION_DENIED", "", text, mutating=True)
    assert type(error) is ProviderPermissionDenied


@pytest.mark.parametrize("mutating", [True, False])
@pytest.mark.parametrize(
    "vendor",
    [
        api_errors.GoogleAPICallError("x"),
        api_errors.RetryError("x", None),
        api_errors.Cancelled("x"),
        grpc.RpcError("x"),
        grpc.aio.UsageError("Channel is closed."),
        grpc.aio.InternalError("x"),
        auth_errors.DefaultCredentialsError("x"),
        auth_errors.RefreshError("x"),
        auth_errors.RefreshError("x", retryable=True),
        ConnectionResetError("x"),
        TimeoutError("x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_error_of_a_vendor_gets_out(vendor: Exception, mutating: bool) -> None:
    with pytest.raises(ProviderError) as raised, translated("call", mutating=mutating):
        raise vendor
    assert raised.value.__cause__ is vendor


def test_a_long_text_of_the_vendor_is_cut() -> None:
    assert len(str(provider_error("set", "NOT_FOUND", "", "x" * 10_000, mutating=True))) < 500
