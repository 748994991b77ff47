from __future__ import annotations

from typing import Any

import pytest

from adapters.store.audit_log import event
from api.audit.lines import words_of
from contracts.audit import AuditType
from contracts.base import new_id
from contracts.principal import SYSTEM, Principal
from contracts.safety import Breaker, BreakerState, Halt, HaltScope, HaltStatus
from tests.adapters.store.samples import request
from tests.api.audit.story import OLGA
from tests.api.audit.test_record import ENDINGS
from tests.contracts.samples import ANA, NOON


def told(kind: AuditType, payload: Any, actor: Principal = SYSTEM) -> tuple[str, str]:
    found = words_of(event(kind, tenant="default", subject="x", actor=actor, payload=payload))
    return found.text, found.quote


def halt(**scope: Any) -> Halt:
    return Halt(
        id=new_id("hlt"),
        scope=HaltScope(**scope),
        reason="pager",
        status=HaltStatus.DRAINING,
        created_by=OLGA,
        created_at=NOON,
    )


@pytest.mark.parametrize("name", ENDINGS)
def test_every_event_of_every_course_has_a_line_of_its_own(name: str) -> None:
    for one in ENDINGS[name][0]().events:
        assert "another shape" not in words_of(one.event).text


@pytest.mark.parametrize("kind", AuditType)
def test_a_payload_of_another_shape_still_gets_a_line(kind: AuditType) -> None:
    assert told(kind, {})[0]


def test_halts_and_breakers_are_told_with_their_scope_and_reason() -> None:
    assert told(AuditType.HALT_CREATED, halt(environment="production"), OLGA) == (
        "olga stopped environment production: what is under way drains",
        "pager",
    )
    assert told(AuditType.HALT_ENDED, halt(everything=True), OLGA)[0] == "olga ended the stop of everything"
    moved = {
        "from": "open",
        "to": "closed",
        "reason_code": "reset_by_operator",
        "reason": "fixed",
        "breaker": Breaker(id="kind:x", state=BreakerState.CLOSED).model_dump(mode="json"),
    }
    assert told(AuditType.BREAKER_MOVED, moved, OLGA) == (
        "Circuit breaker open → closed by olga (reset_by_operator)",
        "fixed",
    )


def test_requests_are_told_and_their_text_stays_a_quotation() -> None:
    asked = request("scale <b>up</b>")
    assert told(AuditType.REQUEST_RECEIVED, asked, ANA) == (
        "ana asked for something by api",
        "scale <b>up</b>",
    )
    closed: dict[str, Any] = {
        "request_id": "r",
        "status": "proposed",
        "answer": "I scaled it",
        "reason_code": None,
        "steps": [],
    }
    text, quote = told(AuditType.REQUEST_CLOSED, closed)
    assert (text, quote) == ("The request ended: proposed, after 0 steps", "I scaled it")


@pytest.mark.parametrize(
    ("operation", "code", "expected"),
    [
        ("op-1", "late_call", "The change was called for too late: operation op-1; somebody was paged"),
        (None, "lateness_unknown", "The change may have been called for too late; somebody was paged"),
    ],
)
def test_a_late_call_is_told_as_one(operation: str | None, code: str, expected: str) -> None:
    payload = {"step": "forward", "fence": 1, "operation": operation, "reason_code": code}
    assert told(AuditType.EFFECT_LATE, payload)[0] == expected


def test_tokens_and_sessions_are_told_without_them() -> None:
    issued = {"token_id": "tok_1", "principal": ANA.model_dump(mode="json"), "expires_at": None}
    assert told(AuditType.TOKEN_ISSUED, issued, OLGA)[0] == "olga issued a token for ana"
    assert told(AuditType.SESSION_OPENED, {}, ANA)[0] == "ana signed in"
    ended = told(AuditType.SESSION_CLOSED, {"reason": "token_revoked"}, OLGA)[0]
    assert ended == "olga ended a session with its owner's token"
