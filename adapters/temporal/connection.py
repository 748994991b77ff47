"""One connection to Temporal, and the one place where its errors become ours.

The SDK turns a cancellation inside an Update into an error of its own. Here it becomes a cancellation again, so that
time-outs and shutdown work as everywhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import (
    Client,
    Interceptor,
    RPCError,
    RPCTimeoutOrCancelledError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCStatusCode

from contracts.errors import NotFound, WorkflowUnavailable
from settings import TemporalSettings

CONNECT_TIMEOUT = timedelta(seconds=5)


async def connect(settings: TemporalSettings, *, interceptors: Sequence[Interceptor] = ()) -> Client:
    """Return a connected client. It reconnects by itself afterwards.

    Raises:
        WorkflowUnavailable: no address is set, or nobody answers there.
    """
    if settings.address is None:
        raise WorkflowUnavailable("no address of Temporal is set")
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    try:
        return await Client.connect(
            settings.address,
            namespace=settings.namespace,
            api_key=api_key,
            tls=settings.tls or api_key is not None,
            data_converter=pydantic_data_converter,
            interceptors=interceptors,
            connect_timeout=CONNECT_TIMEOUT,
        )
    except (RuntimeError, RPCError) as error:  # the SDK raises RuntimeError for a failed connection
        raise WorkflowUnavailable("Temporal did not answer") from error


@asynccontextmanager
async def our_errors(limit: timedelta) -> AsyncIterator[None]:
    """Bound a call and translate what it raises.

    Raises:
        WorkflowUnavailable: no answer in time, or one that another attempt may change.
        NotFound: there is no such workflow.
    """
    try:
        async with asyncio.timeout(limit.total_seconds()):
            try:
                yield
            except (RPCTimeoutOrCancelledError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
                _stay_cancelled(error)
                raise WorkflowUnavailable("Temporal did not answer in time") from error
            except RPCError as error:
                _stay_cancelled(error)
                if error.status is RPCStatusCode.NOT_FOUND and not _is_namespace(error):
                    raise NotFound("there is no such workflow") from error
                raise WorkflowUnavailable(f"Temporal answered {error.status.name}") from error
    except TimeoutError as error:
        raise WorkflowUnavailable("Temporal did not answer in time") from error


def _stay_cancelled(error: Exception) -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


def _is_namespace(error: RPCError) -> bool:
    """A namespace that is not there is a wrong set-up, not a finished workflow."""
    return any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)
