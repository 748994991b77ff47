"""Outgoing webhooks, signed after Standard Webhooks. What each event tells: docs/reference/webhooks.md.

A notification becomes one outbox row per configured URL, so that each is delivered, retried and given up by itself.
Rows and errors name an endpoint by the hash of its URL: the URL itself may be a secret.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx
from pydantic import JsonValue, SecretBytes
from sqlalchemy import select
from sqlalchemy.engine import Row

from adapters.dispatch.delivery import Delivery, DeliveryFailed, Undeliverable
from adapters.store import outbox_queue
from adapters.store.database import Database, database_now, forbid_in_transaction
from adapters.store.outbox import OutboxKind
from adapters.store.outbox_queue import OutboxRow
from adapters.store.schema import proposals
from contracts.configuration import Configuration, Notification, NotificationEvent
from contracts.errors import ConfigurationInvalid
from contracts.messages import summary_of
from contracts.proposal import Draft

TIMEOUT = timedelta(seconds=10)
_SECRET_PREFIX = "whsec_"  # noqa: S105 -- marks a secret, is none
_SECRET_BYTES = range(24, 65)
_GONE = 410
_NO_ANSWER = "timeout"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One configured URL with its secret."""

    url: SecretBytes
    secret: SecretBytes
    events: frozenset[NotificationEvent]

    @property
    def key(self) -> str:
        """Name of the endpoint in rows and logs."""
        return hashlib.sha256(self.url.get_secret_value()).hexdigest()[:16]

    @classmethod
    def of(cls, notification: Notification) -> Self:
        """Return the endpoint that the configuration names, its secret read from its file.

        Raises:
            ConfigurationInvalid: the file does not hold `whsec_` and base64 of 24 to 64 bytes.
        """
        url = SecretBytes(str(notification.url).encode())
        return cls(url, read_secret(Path(notification.secret_file)), frozenset(notification.events))


def read_secret(file: Path) -> SecretBytes:
    """Return the signing key in a secret file.

    Raises:
        ConfigurationInvalid: missing, or not `whsec_` and base64 of 24 to 64 bytes. The message holds no secret.
    """
    try:
        text = file.read_text(encoding="ascii").strip()
        key = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except (OSError, ValueError, binascii.Error) as error:
        raise ConfigurationInvalid(f"{file} does not hold a webhook secret") from error
    if not text.startswith(_SECRET_PREFIX) or len(key) not in _SECRET_BYTES:
        raise ConfigurationInvalid(f"{file} must hold {_SECRET_PREFIX} and base64 of 24 to 64 bytes")
    return SecretBytes(key)


def signature(secret: SecretBytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,` and the base64 HMAC-SHA256 over id, timestamp and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.get_secret_value(), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class WebhookDeliveries:
    """Delivers notifications. Redirects are not followed, answers are not read."""

    def __init__(self, database: Database, notifications: Sequence[Notification]) -> None:
        """Read every secret once.

        Raises:
            ConfigurationInvalid: a secret file is wrong.
        """
        self._database = database
        self._endpoints = _endpoints_of(notifications)
        self._asking = Counter[str]()
        self._silent = set[str]()

    def adopt(self, configuration: Configuration) -> Callable[[], None]:
        """Read the secrets of another configuration's endpoints; what is returned puts them in force.

        Raises:
            ConfigurationInvalid: a secret file is wrong.
        """
        endpoints = _endpoints_of(configuration.notifications)

        def put_in_force() -> None:
            self._endpoints = endpoints

        return put_in_force

    def by_kind(self) -> dict[OutboxKind, Delivery]:
        """Return the delivery of each kind of row."""
        return {OutboxKind.NOTIFY: self.notify}

    async def notify(self, row: OutboxRow) -> None:
        """Deliver a row that names an endpoint; split one that does not.

        Raises:
            DeliveryFailed: the endpoint did not take it.
        """
        key = row.payload.get("endpoint")
        if key is None:
            event = NotificationEvent(str(row.payload["event"]))
            wanted = [one.key for one in self._endpoints.values() if event in one.events]
            if wanted:
                async with self._database.transaction() as connection:
                    parts = [{**row.payload, "endpoint": one} for one in wanted]
                    await outbox_queue.split(connection, row, parts)
            return
        endpoint = self._endpoints.get(str(key))
        if endpoint is None:
            raise Undeliverable("endpoint_not_configured")
        about, now = await self._proposal(row.subject)
        async with self._turn(endpoint.key):
            await self._send(endpoint, row, _body(row, about), now)

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """Let one at a time wait for an endpoint that let the last one wait in vain: others would have no room left.

        Raises:
            DeliveryFailed: another one waits for it.
        """
        if key in self._silent and self._asking[key]:
            raise DeliveryFailed(_NO_ANSWER)
        self._asking[key] += 1
        try:
            yield
            self._silent.discard(key)
        except DeliveryFailed as error:
            (self._silent.add if error.code == _NO_ANSWER else self._silent.discard)(key)
            raise
        finally:
            self._asking[key] -= 1

    async def _proposal(self, proposal_id: str) -> tuple[dict[str, JsonValue], datetime]:
        """Return what is told of a proposal, nothing where it is none, and the time by the database's clock."""
        async with self._database.reading() as connection:
            wanted = select(proposals).where(proposals.c.id == proposal_id)
            found = (await connection.execute(wanted)).one_or_none()
            now = await database_now(connection)
        return ({} if found is None else _told(found)), now

    async def _send(self, endpoint: Endpoint, row: OutboxRow, body: bytes, now: datetime) -> None:
        forbid_in_transaction()
        # Receivers refuse what is not of now: one clock is right for all processes.
        message_id, timestamp = _message_id(row), int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "sluice",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(endpoint.secret, message_id, timestamp, body),
        }
        limit = TIMEOUT.total_seconds()
        try:
            async with (
                asyncio.timeout(limit),
                httpx.AsyncClient(follow_redirects=False, timeout=limit, verify=_trusted()) as client,
                client.stream(
                    "POST", endpoint.url.get_secret_value().decode(), content=body, headers=headers
                ) as answer,
            ):
                status = answer.status_code
        except (TimeoutError, httpx.TimeoutException) as error:
            raise DeliveryFailed(_NO_ANSWER) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DeliveryFailed("unreachable") from error
        if status == _GONE:
            raise Undeliverable("http_410")
        if not 200 <= status < 300:
            raise DeliveryFailed(f"http_{status}")


@cache
def _trusted() -> ssl.SSLContext:
    """Whom the system trusts. Read once: it takes longer than a delivery."""
    return httpx.create_ssl_context()


def _endpoints_of(notifications: Iterable[Notification]) -> dict[str, Endpoint]:
    return {endpoint.key: endpoint for endpoint in map(Endpoint.of, notifications)}


def _message_id(row: OutboxRow) -> str:
    """Return the same for each attempt. Numbers come again in a database that was restored; moments do not."""
    return f"msg_{row.created_at:%Y%m%dT%H%M%S%f}_{row.id}"


def _body(row: OutboxRow, about: Mapping[str, JsonValue]) -> bytes:
    data = {name: value for name, value in row.payload.items() if name not in ("event", "endpoint")}
    body: dict[str, JsonValue] = {
        "type": f"sluice.{row.payload['event']}",
        "timestamp": row.created_at.isoformat(),
        "data": data | dict(about),
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _told(found: Row[Any]) -> dict[str, JsonValue]:
    return {
        "state": found.state,
        "revision": found.revision,
        "digest": found.digest,
        "summary": summary_of(Draft.model_validate(found.draft).action),
        "target": found.target_key,
        "environment": found.environment,
        "team": found.team,
        "requester": found.requester,
        "decide_by": found.decide_by.isoformat(),
        "execute_by": found.execute_by.isoformat(),
    }
