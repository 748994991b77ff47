from __future__ import annotations

from api.stream.updates import TOPICS
from contracts.audit import AuditType

PRIVATE = {"token", "session", "login_link"}
"""Who signs in, and when, is nobody else's business."""


def test_every_family_of_audit_types_is_streamed_or_private() -> None:
    left_out = {type_.value.partition(".")[0] for type_ in AuditType if type_ not in TOPICS}
    assert left_out <= PRIVATE
    assert PRIVATE.isdisjoint(type_.value.partition(".")[0] for type_ in TOPICS)
