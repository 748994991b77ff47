"""REQUEST intake from alerts: the whole notification in one transaction, each firing of an alert once.

A resolved alert closes its request while it is not planned, and cancels its proposals while they wait and no other
alert asks for them: each in a transaction of its own, since one that held several proposals would break the store's
order of locks. Whatever fails is a 5xx, Alertmanager sends the notification again, and what was done already is not
done twice. The dispatcher starts and wakes the workflows from the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import cancellation, coalescing, outbox, proposal_reads, requests
from adapters.store.database import database_now
from adapters.store.outbox import OutboxKind
from api.events.schemas import MAX_LABELS, MAX_VALUE, Taken, WebhookAlert, WebhookMessage, dedupe_key
from api.parts import ApiParts
from api.problems import Problem
from contracts.base import new_id
from contracts.principal import Principal, PrincipalKind
from contracts.request import Alert, Channel, Request, RequestStatus, Trust

VERSION = "4"
ALERT_RESOLVED = "alert_resolved"


@dataclass
class _Batch:
    tenant: str
    caller: Principal
    now: datetime
    created: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    to_cancel: list[str] = field(default_factory=list)
    known: int = 0


async def take(parts: ApiParts, message: WebhookMessage, caller: Principal) -> Taken:
    """Store what is new in a notification, and take back what resolved.

    Raises:
        Problem: 403 the caller is a person; 422 a version of the webhook that we do not know.
    """
    if caller.kind is not PrincipalKind.SERVICE:
        raise Problem(403, "service_required", "Only a service may send alerts.")
    if message.version != VERSION:
        raise Problem(422, "webhook_version_unknown", f"This takes version {VERSION} of the webhook only.")
    alerts = {_key(alert): alert for alert in message.alerts if alert.status == "firing"}
    resolved = sorted({_key(alert) for alert in message.alerts if alert.status == "resolved"})
    async with parts.database.transaction() as connection:
        batch = _Batch(parts.tenant, caller, await database_now(connection))
        for key in resolved:
            await _resolve(connection, batch, key)
        # In one order everywhere: copies of a storm wait for one another instead of blocking one another.
        for key in sorted(alerts):
            await _fire(connection, batch, key, alerts[key])
    cancelled = [one for one in batch.to_cancel if await _cancel(parts, one, caller)]
    return Taken(
        request_ids=tuple(batch.created),
        known=batch.known,
        closed_request_ids=tuple(batch.closed),
        cancelled_proposal_ids=tuple(cancelled),
    )


async def _fire(connection: AsyncConnection, batch: _Batch, key: str, alert: WebhookAlert) -> None:
    request = Request(
        id=new_id("req"),
        tenant=batch.tenant,
        requester=batch.caller,
        channel=Channel.EVENT,
        text=f"Alert {alert.labels.get('alertname', 'without a name')[:200]} is firing.",
        alert=_noun(alert),
        trust=Trust.UNTRUSTED,
        received_at=batch.now,
    )
    if not await requests.create(connection, request, dedupe_key=key):
        batch.known += 1
        return
    await outbox.put(connection, OutboxKind.START_REQUEST, request.id)
    batch.created.append(request.id)


async def _resolve(connection: AsyncConnection, batch: _Batch, key: str) -> None:
    request_id = await requests.find_by_dedupe_key(connection, key)
    if request_id is None:
        return
    # Locked first: a request that is being closed right now has either all of its proposals or none.
    row = await requests.lock(connection, request_id)
    await requests.resolve(connection, request_id, actor=batch.caller)
    if not RequestStatus(row.status).is_final:
        text = "The alert resolved before anything was proposed."
        status = RequestStatus.REFUSED
        await requests.close(connection, request_id, status, text, ALERT_RESOLVED, actor=batch.caller)
        batch.closed.append(request_id)
        return
    batch.to_cancel += await proposal_reads.of_request(connection, batch.tenant, request_id)
    batch.to_cancel += row.joined


async def _cancel(parts: ApiParts, proposal_id: str, caller: Principal) -> bool:
    message = "The alert that asked for it resolved."
    async with parts.database.transaction() as connection:
        # Another alert that asks for the same was told of this proposal, and got none of its own.
        await coalescing.lock_target_of(connection, proposal_id)
        if await coalescing.is_still_asked_for(connection, proposal_id):
            return False
        wake = await cancellation.cancel(connection, proposal_id, caller, ALERT_RESOLVED, message)
    return wake is not None


def _noun(alert: WebhookAlert) -> Alert:
    shown = list(alert.annotations.items())[:MAX_LABELS]
    return Alert(
        fingerprint=alert.fingerprint,
        starts_at=alert.starts_at,
        status=alert.status,
        labels=alert.labels,
        annotations={name[:200]: value[:MAX_VALUE] for name, value in shown},
    )


def _key(alert: WebhookAlert) -> str:
    return dedupe_key(alert.fingerprint, alert.starts_at)
