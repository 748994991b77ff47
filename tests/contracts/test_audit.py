"""The leaf of an audit event has the same bytes, whoever made the canonical form of its payload."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.audit import AuditEvent, AuditType
from contracts.base import canonical_json
from tests.contracts.samples import ANA, NOON

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(payload=st.dictionaries(text, plain, max_size=4), subject=text, tenant=text)
def test_a_leaf_with_a_payload_sealed_before_is_the_same(
    payload: dict[str, Any], subject: str, tenant: str
) -> None:
    event = AuditEvent(
        id="evt_1",
        type=AuditType.PROPOSAL_EVALUATED,
        tenant=tenant,
        subject=subject,
        actor=ANA,
        payload=payload,
        at=NOON,
    )
    assert event.leaf_bytes(canonical_json(payload).decode()) == event.leaf_bytes() == canonical_json(event)
