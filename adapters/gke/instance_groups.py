"""Reads zonal managed instance groups: the only place that knows a node pool's current size.

Reference: compute.v1.instanceGroupManagers.get. `currentActions.none` counts instances that run and have no action
planned; those in `deleting` still run.
"""

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.gke.connection import Connection
from adapters.gke.errors import MAX_TEXT
from contracts.errors import (
    ProviderError,
    ProviderPermissionDenied,
    ProviderRefused,
    ProviderUnavailable,
    TargetNotFound,
)
from contracts.observation import ZoneSize

_LINK = re.compile(r"/(projects/[^/]+/zones/(?P<zone>[^/]+)/instanceGroupManagers/(?P<name>[^/?#]+))$")
_BY_STATUS: dict[int, type[ProviderError]] = {
    HTTPStatus.NOT_FOUND: TargetNotFound,
    HTTPStatus.UNAUTHORIZED: ProviderPermissionDenied,
    HTTPStatus.FORBIDDEN: ProviderPermissionDenied,
    HTTPStatus.REQUEST_TIMEOUT: ProviderUnavailable,
    HTTPStatus.TOO_MANY_REQUESTS: ProviderUnavailable,
}
_ASKED_TOO_OFTEN = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
"""Reasons with which Compute throttles: under status 403, as if something were forbidden."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Actions(_Part):
    none: int = Field(ge=0)
    deleting: int = Field(default=0, ge=0)


class _Status(_Part):
    is_stable: bool = Field(default=False, alias="isStable")


class _InstanceGroupManager(_Part):
    target_size: int = Field(alias="targetSize", ge=0)
    actions: _Actions = Field(alias="currentActions")
    status: _Status


class _Reason(_Part):
    reason: str = ""


class _Error(_Part):
    errors: list[_Reason] = []
    details: list[_Reason] = []


class _Refusal(_Part):
    error: _Error


async def read_instance_group(connection: Connection, link: str, *, timeout: timedelta) -> ZoneSize:
    """Read one instance group by the link that a node pool gives.

    Raises:
        ProviderError: a subclass; also when the answer is not an instance group.
    """
    match = _LINK.search(link)
    if match is None:
        raise ProviderRefused(f"not the link of a zonal instance group: {link[:MAX_TEXT]}")
    body = await _get(connection, match[1], timeout)
    try:
        group = _InstanceGroupManager.model_validate(body)
    except ValidationError as error:
        raise ProviderUnavailable(f"read {match[1]}: the answer is not an instance group") from error
    return ZoneSize(
        zone=match["zone"],
        instance_group=match["name"],
        target_size=group.target_size,
        running=group.actions.none + group.actions.deleting,
        stable=group.status.is_stable,
    )


async def _get(connection: Connection, path: str, timeout: timedelta) -> Any:
    headers = await connection.compute_headers()
    limit = aiohttp.ClientTimeout(total=timeout.total_seconds())
    url = connection.compute_url(path)
    try:
        async with connection.http().get(
            url, headers=headers, timeout=limit, allow_redirects=False
        ) as answer:
            if answer.status != HTTPStatus.OK:
                raise _refusal(answer.status, await answer.read())(f"read {path}: HTTP {answer.status}")
            return await answer.json()
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise ProviderUnavailable(f"read {path}: {type(error).__name__}") from error


def _refusal(status: int, body: bytes) -> type[ProviderError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderUnavailable
    if status == HTTPStatus.FORBIDDEN and _ASKED_TOO_OFTEN & _reasons(body):
        return ProviderUnavailable
    return _BY_STATUS.get(status, ProviderRefused)


def _reasons(body: bytes) -> set[str]:
    try:
        said = _Refusal.model_validate_json(body).error
    except ValidationError:
        return set()
    return {one.reason for one in (*said.errors, *said.details)}
