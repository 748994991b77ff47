"""Health checks that run inside the containers: exit 0 is healthy, 1 with a reason on stderr is not.

`health.py http URL` wants a 2xx answer. `health.py worker QUEUE` wants this very container among the pollers
that Temporal saw on the task queue within about the last minute: a process that is there but no longer asks for
work is not healthy.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

LIMIT = 4.0
"""Seconds for the whole check; the time-out in docker-compose.yml is longer."""
_RECENT = timedelta(seconds=75)
"""A long poll lasts up to a minute, and Temporal notes when it began."""


class UnhealthyError(Exception):
    """The message is the reason."""


def check_http(url: str) -> None:
    """Want a 2xx answer to GET `url`.

    Raises:
        UnhealthyError: any other answer, or none in time.
    """
    try:
        with urllib.request.urlopen(url, timeout=LIMIT) as answer:  # noqa: S310 - the address comes from our own files
            answer.read(1)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as cause:
        raise UnhealthyError(f"{url}: {cause}") from cause


async def check_worker(queue: str, hostname: str) -> None:
    """Want a recent poll on `queue` by a worker whose identity ends in `@hostname`, as the SDK names them.

    Raises:
        UnhealthyError: there is none, or Temporal does not answer in time.
    """
    # Imported here: the HTTP check runs often and must not pay a second for this.
    from temporalio.service import RPCError

    from contracts.errors import SluiceError

    try:
        async with asyncio.timeout(LIMIT):
            identities = await _recent_pollers(queue)
    except (TimeoutError, SluiceError, RPCError) as cause:
        raise UnhealthyError(f"Temporal does not answer: {type(cause).__name__}") from cause
    if not any(identity.endswith(f"@{hostname}") for identity in identities):
        raise UnhealthyError(f"{hostname} does not poll {queue}")


async def _recent_pollers(queue: str) -> set[str]:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    from adapters.temporal.connection import connect
    from settings import Settings

    temporal = Settings().temporal
    client = await connect(temporal)
    oldest = datetime.now(UTC) - _RECENT
    identities: set[str] = set()
    # A worker polls for workflow tasks, for activity tasks, or for both.
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=temporal.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
            )
        )
        identities |= {
            poller.identity for poller in answer.pollers if poller.last_access_time.ToDatetime(UTC) >= oldest
        }
    return identities


def _check(arguments: list[str]) -> None:
    match arguments:
        case ["http", url]:
            check_http(url)
        case ["worker", queue]:
            asyncio.run(check_worker(queue, socket.gethostname()))
        case _:
            raise UnhealthyError("usage: health.py http URL | worker QUEUE")


def main(arguments: list[str]) -> int:
    """Command line: the kind of check and what it is about."""
    try:
        _check(arguments)
    except UnhealthyError as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    verdict = main(sys.argv[1:])
    sys.stderr.flush()
    # Not sys.exit: a thread of the SDK that still runs can abort an interpreter which is shutting down.
    os._exit(verdict)
