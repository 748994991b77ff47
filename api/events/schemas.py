"""Shapes of events over HTTP: Alertmanager's webhook, version 4, and our answer.

Alertmanager's own struct is `webhook.Message` over `template.Data`; keys we do not use are left unread, so that a
newer Alertmanager that adds some still reaches us. Sizes are bounded here, the whole body in `api/bodies.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.moments import Moment

MAX_ALERTS = 500
MAX_LABELS = 64
MAX_VALUE = 2_000
"""Characters of a label's value. Longer annotations are cut, because nothing is decided by them."""

_Key = Annotated[str, Field(min_length=1, max_length=200)]
Labels = Annotated[dict[_Key, Annotated[str, Field(max_length=MAX_VALUE)]], Field(max_length=MAX_LABELS)]
Annotations = dict[str, str]


class WebhookAlert(BaseModel):
    """One alert of a notification."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Labels
    annotations: Annotations = {}
    starts_at: Annotated[Moment, Field(alias="startsAt")]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-zA-Z_-]{1,64}$")]


class WebhookMessage(BaseModel):
    """One notification: a group of alerts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Annotated[str, Field(max_length=20)]
    alerts: Annotated[tuple[WebhookAlert, ...], Field(max_length=MAX_ALERTS)]


class Taken(BaseModel):
    """What was made of a notification."""

    request_ids: tuple[str, ...]
    """One per alert that was new."""
    known: int
    """Firing alerts that have their request already."""
    closed_request_ids: tuple[str, ...]
    """Requests whose alert resolved before they were planned."""
    cancelled_proposal_ids: tuple[str, ...]
    """Proposals that still waited when their alert resolved."""


def dedupe_key(fingerprint: str, starts_at: datetime) -> str:
    """Return the key under which one firing of one alert is stored once. `starts_at` is aware and in UTC."""
    return f"alertmanager:{fingerprint}:{starts_at.isoformat()}:firing"
