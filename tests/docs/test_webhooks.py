from __future__ import annotations

from contracts.configuration import NotificationEvent
from tests.docs.pages import named


def test_the_page_has_every_event_that_a_webhook_can_be_told() -> None:
    assert sorted(named("webhooks.md")) == sorted(f"sluice.{event.value}" for event in NotificationEvent)
