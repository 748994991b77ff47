from __future__ import annotations

from contracts.audit import AuditType
from tests.docs.pages import named


def test_the_page_has_every_type_of_event() -> None:
    assert named("audit-events.md") == [type_.value for type_ in AuditType]
