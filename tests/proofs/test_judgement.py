"""The judges of the invariants: each finds what it is there to find, in records and calls made up for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from contracts.audit import AuditEvent, AuditType
from contracts.principal import SYSTEM
from emulators.gke.log import Calls, ServedCall
from proofs.judgement import approvals, effects, endings, money
from proofs.judgement.records import Records

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TARGET = "acme-dev/us-central1/deve-00/web"


def row(**columns: Any) -> Any:
    return SimpleNamespace(**columns)


def records(**rows: Any) -> Records:
    fields = dict.fromkeys(Records.__dataclass_fields__, ())
    return Records(**(fields | rows))


def event(kind: AuditType, subject: str, **payload: Any) -> AuditEvent:
    made = {"id": f"{kind}{subject}", "type": kind, "tenant": "default", "subject": subject}
    return AuditEvent.model_validate(made | {"actor": SYSTEM, "payload": payload, "at": NOW})


def call(number: int, operation: str) -> ServedCall:
    project, location, cluster, pool = TARGET.split("/")
    return ServedCall(
        seq=number, ts=NOW, surface="container", method="SetNodePoolSize", project=project, location=location,
        cluster=cluster, node_pool=pool, request={"node_count": 2}, operation=operation, accepted=True,
    )  # fmt: skip


def proposal(state: str, **columns: Any) -> Any:
    return row(id="prp_1", state=state, target_key=f"gke.node_pool/{TARGET}", reason_code=None, **columns)


def intent(operation: str | None, step: str = "forward", receipt: object = None) -> Any:
    key = f"prp_1/1/{step}"
    return row(key=key, proposal_id="prp_1", step=step, operation=operation, receipt=receipt)


def test_one_effect_of_a_proposal_that_succeeded_is_as_it_must_be() -> None:
    one = records(proposals=[proposal("succeeded")], intents=[intent("op-1")])
    assert effects.faults(one, Calls([call(1, "op-1")])) == []
    no_op = records(proposals=[proposal("succeeded")], intents=[intent(None, receipt={"outcome": "no_op"})])
    assert effects.faults(no_op, Calls()) == []


def test_a_second_effect_is_found_whether_or_not_the_audit_log_knows_it() -> None:
    known = event(AuditType.EFFECT_ISSUED, "prp_1", key="prp_1/1/forward", operation="op-2")
    told = records(proposals=[proposal("succeeded")], intents=[intent("op-1")], events=[known])
    both = Calls([call(1, "op-1"), call(2, "op-2")])
    assert "2 forward effects: op-1, op-2" in effects.faults(told, both)[0]
    untold = records(proposals=[proposal("succeeded")], intents=[intent("op-1")])
    assert "belongs to no proposal" in effects.faults(untold, both)[0]


def test_a_success_without_an_effect_and_a_denial_with_one_are_found() -> None:
    assert effects.faults(records(proposals=[proposal("succeeded")], intents=[intent(None)]), Calls())
    denied = records(proposals=[proposal("denied")], intents=[intent("op-1")])
    assert effects.faults(denied, Calls([call(1, "op-1")]))


def test_a_dirty_proposal_that_nobody_was_told_of_is_found() -> None:
    told = row(payload={"event": "dirty", "proposal_id": "prp_1"})
    assert effects.unpaged(records(proposals=[proposal("dirty")], notices=[told])) == []
    assert effects.unpaged(records(proposals=[proposal("dirty")]))


def test_a_pool_that_is_not_as_it_was_last_set_is_found() -> None:
    calls = Calls([call(1, "op-1")])
    assert effects.misplaced(records(), calls, {TARGET: {2}}) == []
    assert effects.misplaced(records(), calls, {TARGET: {1, 2}})


def test_an_effect_without_an_admitting_pass_is_found() -> None:
    admitted = row(
        proposal_id="prp_1", revision=1, pass_number=2, created_at=NOW, result={"admitted": True},
        document={
            "proposal_id": "prp_1", "revision": 1, "pass_number": 2, "at": NOW, "outcome": "allow", "verdicts": ()
        },
    )  # fmt: skip
    whole = records(proposals=[proposal("succeeded")], intents=[intent("op-1")], evaluations=[admitted])
    calls = Calls([call(1, "op-1")])
    assert approvals.faults(whole, calls, {}) == []
    late = row(**(vars(admitted) | {"created_at": NOW + timedelta(seconds=1)}))
    for judged in ([], [late], [row(**(vars(admitted) | {"result": {"admitted": False}}))]):
        without = records(proposals=whole.proposals, intents=whole.intents, evaluations=judged)
        assert "without an admitting pass" in approvals.faults(without, calls, {})[0]


def test_an_effect_without_its_votes_is_found() -> None:
    asked = row(
        proposal_id="prp_1", revision=1, pass_number=2, created_at=NOW, result={"admitted": True},
        document={
            "proposal_id": "prp_1", "revision": 1, "pass_number": 2, "at": NOW, "outcome": "require_approval",
            "verdicts": (), "requirement": {"quorum": 2},
        },
    )  # fmt: skip
    found = approvals.lacking_votes(2, 1)
    assert found == ["with 1 of 2 valid approvals"]
    assert approvals.quorum_of([asked]) == 2


def entry(number: int, kind: str, debit: str, credit: str, amount: int) -> Any:
    where = {"tenant": "default", "scope": "team=a", "window": "month:2026-11", "proposal_id": "prp_1"}
    return row(
        id=number, kind=kind, debit=debit, credit=credit, amount=Decimal(amount), request_id=None, **where
    )


def test_money_above_a_cap_still_held_or_wrongly_summed_is_found() -> None:
    reserved, released = (
        entry(1, "reserve", "available", "reserved", 10),
        entry(2, "release", "reserved", "available", 10),
    )
    window = row(
        tenant="default", scope="team=a", window="month:2026-11", reserved=Decimal(0), committed=Decimal(0)
    )
    closed = records(entries=[reserved, released], windows=[window], proposals=[proposal("denied")])
    assert money.faults(closed, {"team=a": Decimal(10)}) + money.held_at_rest(closed) == []
    assert money.faults(closed, {"team=a": Decimal(9)})
    still = records(entries=[reserved], windows=[window], proposals=[proposal("denied")])
    assert money.faults(still, {})
    assert money.held_at_rest(still) == ["prp_1 still holds 10"]


def test_a_proposal_that_did_not_end_or_ended_twice_is_found() -> None:
    end = event(AuditType.PROPOSAL_MOVED, "prp_1", to="denied")
    assert endings.faults(records(proposals=[proposal("denied")], events=[end])) == []
    assert endings.faults(records(proposals=[proposal("ready")]))
    assert endings.faults(records(proposals=[proposal("denied")], events=[end, end]))


def test_what_was_acknowledged_and_is_gone_or_doubled_is_found() -> None:
    closed = event(AuditType.REQUEST_CLOSED, "req_1")
    asked = row(id="req_1", closed_at=NOW)
    whole = records(requests=[asked], proposals=[proposal("denied", request_id="req_1")], events=[closed])
    assert endings.lost(whole, ["prp_1"], ["req_1"]) == []
    assert len(endings.lost(whole, ["prp_1", "prp_2"], ["req_1", "req_2"])) == 2
    twice = records(requests=[asked], proposals=[*whole.proposals, *whole.proposals], events=[closed, closed])
    assert len(endings.lost(twice, [], ["req_1"])) == 2
