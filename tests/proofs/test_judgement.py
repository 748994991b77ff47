"""The judges of the invariants: each finds what it is there to find, in records and calls made up for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.audit.export import Entry
from adapters.audit.merkle import leaf_hash
from contracts.audit import AuditEvent, AuditType
from contracts.decision import Decision
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from contracts.proposal import Draft
from contracts.signature import key_id_of, sign
from emulators.gke.log import Calls, ServedCall
from proofs.audit_tamper.log import rewritten, signer_of
from proofs.judgement import approvals, effects, endings, halts, log, money, reservations
from proofs.judgement.records import Records
from proofs.judgement.story import stories
from proofs.simulation.ground import ANA, BEN, CARLA, FORGED, KEY, PUBLIC_KEYS
from tests.contracts.samples import proposal as sample

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TARGET = "acme-dev/us-central1/deve-00/web"


def row(**columns: Any) -> Any:
    return SimpleNamespace(**columns)


def records(**rows: Any) -> Records:
    fields = dict.fromkeys(Records.__dataclass_fields__, ())
    return Records(**(fields | rows))


def event(kind: AuditType, subject: str, /, **payload: Any) -> AuditEvent:
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


def test_a_dirty_proposal_accounts_for_one_unknown_effect_each_way_and_no_more() -> None:
    calls = [call(number, f"op-{number}") for number in range(1, 5)]
    unknown = records(proposals=[proposal("dirty")])
    assert effects.faults(unknown, Calls(calls[:2])) == []
    assert "call 3" in effects.faults(unknown, Calls(calls[:3]))[0]
    known = records(proposals=[proposal("dirty")], intents=[intent("op-1"), intent("op-2", "compensation")])
    assert effects.faults(known, Calls(calls[:2])) == []
    assert "call 3" in effects.faults(known, Calls(calls[:3]))[0]
    elsewhere = records(proposals=[row(**(vars(proposal("dirty")) | {"target_key": "gke.node_pool/other"}))])
    assert len(effects.faults(elsewhere, Calls(calls[:2]))) == 2


def test_a_success_without_an_effect_and_a_denial_with_one_are_found() -> None:
    assert effects.faults(records(proposals=[proposal("succeeded")], intents=[intent(None)]), Calls())
    denied = records(proposals=[proposal("denied")], intents=[intent("op-1")])
    assert effects.faults(denied, Calls([call(1, "op-1")]))


def test_a_dirty_proposal_that_nobody_was_told_of_is_found() -> None:
    told = row(payload={"event": "dirty", "proposal_id": "prp_1"})
    assert effects.unpaged(records(proposals=[proposal("dirty")], notices=[told])) == []
    assert effects.unpaged(records(proposals=[proposal("dirty")]))


def judged(number: int = 2, *, admitted: bool = True, at: datetime = NOW, **document: Any) -> Any:
    """A pass as it is stored."""
    said = {"proposal_id": "prp_1", "revision": 1, "pass_number": number, "at": NOW, "outcome": "allow"}
    return row(
        proposal_id="prp_1", revision=1, pass_number=number, created_at=at, result={"admitted": admitted},
        document={**said, "verdicts": (), **document},
    )  # fmt: skip


def before_the_effect(*passes: Any, **rows: Any) -> list[str]:
    """What the judge says of a success with these passes before its one effect."""
    fields = {"proposals": [proposal("succeeded")], "intents": [intent("op-1")], "evaluations": passes}
    return approvals.faults(records(**(fields | rows)), Calls([call(1, "op-1")]), PUBLIC_KEYS)


def test_an_effect_without_an_admitting_pass_is_found() -> None:
    assert before_the_effect(judged()) == []
    late = judged(at=NOW + timedelta(seconds=1))
    for passes in ([], [late], [judged(admitted=False)], [judged(1)]):
        assert "without an admitting pass" in before_the_effect(*passes)[0]
    assert "after a pass that did not admit" in before_the_effect(judged(2), judged(3, admitted=False))[0]
    assert before_the_effect(judged(2, admitted=False), judged(3)) == []


PROPOSED = sample(authors=(ANA,))


def voted(reviewer: Principal = BEN, **changes: Any) -> Any:
    """A vote that was applied and counts, but for the changes: of what is signed, of the key, or of the row."""
    said = {
        "id": f"dec_{reviewer.subject}", "tenant": "default", "proposal_id": "prp_1", "revision": 1,
        "kind": "approve", "reviewer": reviewer, "proposal_digest": PROPOSED.digest, "evaluation_digest": "sha256:seen",
        "at": NOW, "key_id": key_id_of(KEY.public_key()),
    }  # fmt: skip
    stored = {"proposal_id": "prp_1", "revision": 1, "status": "applied", "created_at": NOW}
    key = changes.pop("key", KEY)
    signed = sign(
        Decision.model_validate({name: changes.get(name, value) for name, value in said.items()}), key
    )
    kept = {name: changes.get(name, value) for name, value in stored.items()}
    return row(**kept, document=signed.model_dump(mode="json"))


def with_votes(*votes: Any) -> list[str]:
    """What the judge says of a success that two people had to approve."""
    asked = judged(1, requirement={"quorum": 2})
    whole = proposal("succeeded", document=PROPOSED.model_dump(mode="json"))
    return before_the_effect(asked, judged(), proposals=[whole], decisions=votes)


def test_an_effect_that_enough_people_approved_is_as_it_must_be() -> None:
    assert with_votes(voted(BEN), voted(CARLA)) == []


@pytest.mark.parametrize(
    "second",
    [
        voted(BEN),
        voted(ANA),
        voted(CARLA.model_copy(update={"kind": PrincipalKind.SERVICE, "roles": ()})),
        voted(CARLA.model_copy(update={"roles": (Role.REQUESTER,)})),
        voted(CARLA, kind="reject"),
        voted(CARLA, proposal_digest="sha256:other"),
        voted(CARLA, at=PROPOSED.decide_by + timedelta(seconds=1)),
        voted(CARLA, key=FORGED),
        voted(CARLA, status="recorded"),
        voted(CARLA, created_at=NOW + timedelta(seconds=1)),
    ],
    ids=["same", "author", "machine", "role", "no", "digest", "late", "forged", "uncounted", "afterwards"],
)
def test_a_second_vote_that_does_not_count_is_found_to_be_lacking(second: Any) -> None:
    assert with_votes(voted(BEN), second) == ["prp_1: the effect of call 1 came with 1 of 2 valid approvals"]


def entry(number: int, kind: str, debit: str, credit: str, amount: int, at: datetime = NOW) -> Any:
    where = {"tenant": "default", "scope": "team=a", "window": "month:2026-11", "proposal_id": "prp_1"}
    return row(
        id=number,
        kind=kind,
        debit=debit,
        credit=credit,
        amount=Decimal(amount),
        request_id=None,
        created_at=at,
        **where,
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


LINE = {
    "scope": "team=a", "window": "month:2026-11", "currency": "USD", "limit": 100, "reserved": 0, "committed": 0,
    "amount": 10, "hours_left": 1,
}  # fmt: skip
COST = {
    "currency": "USD", "machine_type": "e2", "region": "r", "node_delta": 1, "price_per_node_hour": 10,
    "monthly_delta": 7300, "price_source": "t", "price_as_of": NOW.date(), "lines": [LINE],
}  # fmt: skip


def test_an_effect_without_a_whole_reservation_is_found() -> None:
    passed = judged(cost=COST)

    def found(*entries: Any) -> list[str]:
        return before_the_effect(passed, entries=entries)

    reserved = entry(1, "reserve", "available", "reserved", 10)
    committed = entry(2, "commit", "reserved", "committed", 10, NOW + timedelta(seconds=9))
    assert found(reserved, committed) == []
    by_a_clock_set_back = entry(2, "commit", "reserved", "committed", 10, NOW - timedelta(hours=1))
    assert found(reserved, by_a_clock_set_back) == []
    released = entry(2, "release", "reserved", "available", 10)
    late = entry(1, "reserve", "available", "reserved", 10, NOW + timedelta(seconds=1))
    for entries in ([], [late], [reserved, released], [entry(1, "reserve", "available", "reserved", 9)]):
        assert "without a reservation of all that it costs" in found(*entries)[0]


def test_a_call_under_an_effective_halt_is_found_whoever_it_belongs_to() -> None:
    def found(state: str = "succeeded", **halt: Any) -> list[str]:
        covered = row(
            **vars(proposal(state)),
            tenant="default",
            environment="production",
            action_kind="k",
            draft={"authors": []},
        )
        standing = {
            "id": "hlt_1",
            "scope": {"environment": "production"},
            "effective_at": NOW,
            "ended_at": None,
        }
        owned = [intent("op-1")] if state == "succeeded" else []
        late = call(1, "op-1").model_copy(update={"ts": NOW + timedelta(seconds=1)})
        return halts.faults(
            records(proposals=[covered], intents=owned), Calls([late]), [row(**(standing | halt))]
        )

    assert "under the halt hlt_1" in found()[0]
    assert "under the halt hlt_1" in found("dirty")[0]
    assert found(effective_at=None) == found(effective_at=NOW + timedelta(seconds=2)) == []
    assert found(ended_at=NOW + timedelta(milliseconds=500)) == []
    assert found(scope={"environment": "staging"}) == []


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
    assert endings.lost(whole, [], [], ["dec_1"]) == ["dec_1 was acknowledged and is gone"]
    twice = records(requests=[asked], proposals=[*whole.proposals, *whole.proposals], events=[closed, closed])
    assert len(endings.lost(twice, [], ["req_1"])) == 2


def test_a_vote_that_was_acknowledged_and_never_settled_is_found() -> None:
    def found(status: str, *waiting: str) -> list[str]:
        vote = row(id="dec_1", status=status)
        held = records(decisions=[vote], waiting=[row(subject=one) for one in waiting])
        return endings.lost(held, [], [], ["dec_1"])

    for status in ("applied", "refused", "voided", "superseded"):
        assert found(status) == []
    assert found("recorded", "dec_1") == []
    assert found("recorded", "prp_1") == ["dec_1 was recorded and nobody will deliver it"]


def test_the_steps_of_what_has_a_fault_are_told_in_their_order() -> None:
    moved = event(AuditType.PROPOSAL_MOVED, "prp_1", to="denied", reason_code="rate_limited")
    other, closed = (
        event(AuditType.PROPOSAL_MOVED, "prp_2", to="denied"),
        event(AuditType.REQUEST_CLOSED, "req_1"),
    )
    faults = ["prp_1 reached 2 final states", "I5: req_1 has 0 outcomes", "prp_1: again"]
    told = stories(records(events=[moved, other, closed, moved]), faults)
    assert list(told) == ["prp_1", "req_1"]
    assert told["prp_1"] == 2 * [
        "12:00:00.000000 proposal.moved who sluice, what denied, because rate_limited"
    ]
    assert stories(records(events=[moved]), faults, most=0) == {}


def of_a_denial() -> tuple[AuditEvent, ...]:
    """Events of a proposal that was made, reserved something, and was denied."""
    whole = sample(authors=(ANA,)).model_dump(mode="json", include=set(Draft.model_fields))
    amount = {
        "kind": "reserve", "proposal_id": "prp_1", "tenant": "default", "scope": "tenant", "window": "month:2026-11",
        "currency": "USD", "amount": "10", "debit": "available", "credit": "reserved",
    }  # fmt: skip
    moved = {"proposal_id": "prp_1", "from": "evaluating", "to": "denied", "revision": 1, "reason_code": "no"}
    return (
        event(AuditType.PROPOSAL_CREATED, "prp_1", **whole),
        event(AuditType.LEDGER_POSTED, "prp_1", **amount),
        event(AuditType.PROPOSAL_MOVED, "prp_1", **moved),
    )


TOLD = of_a_denial()
WINDOW = {"tenant": "default", "scope": "tenant", "window": "month:2026-11", "committed": 0}


def left(state: str = "denied", reserved: int = 10, events: tuple[AuditEvent, ...] = TOLD) -> Records:
    """The tables that these events lead to, but for the changes."""
    window = row(**WINDOW, reserved=Decimal(reserved))
    return records(proposals=[proposal(state, revision=1, digest=None)], windows=[window], events=events)


def exported(events: Iterable[AuditEvent], seed: int = 1) -> bytes:
    leaves = [one.leaf_bytes() for one in events]
    entries = [Entry(number, leaf, leaf_hash(leaf)) for number, leaf in enumerate(leaves)]
    return b"".join(rewritten(entries, signer_of(seed), every=2))


def test_a_log_that_verifies_and_rebuilds_the_tables_is_as_it_must_be() -> None:
    assert log.faults(left(), exported(TOLD), signer_of(1).key) == []


@pytest.mark.parametrize(
    ("tables", "export", "fault"),
    [
        (left(), exported(TOLD).replace(b"denied", b"failed"), "line 5 of the export"),
        (left(), exported(TOLD, seed=2), "of the export"),
        (left(), exported(TOLD[:2]), "the export has 2 of 3 events"),
        (left(), exported((TOLD[0], TOLD[2], TOLD[1], TOLD[2])), "does not follow"),
        (left("succeeded"), exported(TOLD), "proposals: prp_1 is"),
        (left(reserved=9), exported(TOLD), "budget windows: ('default', 'tenant', 'month:2026-11') is"),
        (records(events=TOLD), exported(TOLD), "proposals: prp_1 is None"),
    ],
    ids=["changed", "other-key", "short", "twice", "state", "money", "lost"],
)
def test_a_log_that_does_not_verify_or_does_not_rebuild_the_tables_is_found(
    tables: Records, export: bytes, fault: str
) -> None:
    assert any(fault in one for one in log.faults(tables, export, signer_of(1).key))


def test_a_vote_and_a_request_that_the_events_do_not_know_are_found() -> None:
    vote = row(id="dec_1", proposal_id="prp_1", reviewer="local/ben", status="applied")
    asked = row(id="req_1", status="answered", answer="as it is")
    found = log.rebuilt(records(decisions=[vote], requests=[asked]), ())
    assert [one.partition(" is")[0] for one in found] == ["votes: dec_1", "requests: req_1"]


def test_a_proposal_that_holds_more_than_it_costs_is_found() -> None:
    once, again = (entry(number, "reserve", "available", "reserved", 10) for number in (1, 2))
    back = entry(2, "release", "reserved", "available", 10)
    assert reservations.faults(records(evaluations=[judged(cost=COST)], entries=[once, back, again])) == []
    (found,) = reservations.faults(records(evaluations=[judged(cost=COST)], entries=[once, again]))
    assert found == "prp_1 holds 20 of team=a month:2026-11 and costs 10.00"
