"""Who is told: outgoing webhooks."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AnyHttpUrl, Field

from contracts.base import Contract


class NotificationEvent(StrEnum):
    """What a webhook can be told."""

    WAITING = "waiting"
    DIRTY = "dirty"
    BREAKER_OPEN = "breaker_open"
    HALT_CREATED = "halt_created"
    BREAK_GLASS = "break_glass"
    BUDGET_ALERT = "budget_alert"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    PAGE = "page"


class Notification(Contract):
    """An outgoing webhook, signed after Standard Webhooks with the secret in `secret_file`."""

    url: AnyHttpUrl
    secret_file: str = Field(min_length=1)
    events: tuple[NotificationEvent, ...] = Field(default=tuple(NotificationEvent), min_length=1)
