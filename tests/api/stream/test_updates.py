from __future__ import annotations

from api.stream.updates import TOPIC_OF_FAMILY, TOPICS
from contracts.audit import AuditType

PRIVATE = {"token", "session", "login_link"}
"""Who signs in, and when, is nobody else's business."""
QUIET = {"alert", "configuration", "delegation", "rate"}
"""What no page waits for: other events of the same transaction tell it, or a page looks again by itself."""


def test_every_family_of_audit_types_is_streamed_private_or_quiet() -> None:
    left_out = {type_.value.partition(".")[0] for type_ in AuditType if type_ not in TOPICS}
    assert left_out == PRIVATE | QUIET
    assert (PRIVATE | QUIET).isdisjoint(type_.value.partition(".")[0] for type_ in TOPICS)


def test_every_family_that_has_a_topic_is_one_of_events_that_there_are() -> None:
    assert set(TOPIC_OF_FAMILY) == {type_.value.partition(".")[0] for type_ in TOPICS}
