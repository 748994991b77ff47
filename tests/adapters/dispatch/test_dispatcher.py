from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import select, text, update

from adapters.dispatch.delivery import Backoff, DeliveryFailed
from adapters.dispatch.dispatcher import Dispatcher
from adapters.dispatch.loops import background_loops
from adapters.dispatch.workflows import WorkflowDeliveries
from adapters.store import decisions, outbox, outbox_queue, proposals, requests
from adapters.store.database import Database, forbid_in_transaction
from adapters.store.migrate import upgrade
from adapters.store.outbox import OutboxKind
from adapters.store.outbox_queue import OutboxRow
from adapters.store.schema import audit_events
from adapters.store.schema import decisions as decision_rows
from adapters.store.schema import proposals as proposal_rows
from adapters.store.sequencer import Sequencer
from contracts.base import new_id
from contracts.decision import Decision, DecisionKind, SignedDecision
from contracts.errors import DecisionNotAccepted, NotFound, StoreUnavailable, WorkflowUnavailable
from contracts.messages import ProposalInput, RequestInput
from contracts.principal import SYSTEM
from contracts.proposal import ProposalState
from contracts.request import RequestStatus
from contracts.signature import sign
from tests.adapters.dispatch.recording import RecordingGateway
from tests.adapters.dispatch.running import QUICK, all_done, eventually, put, rows, running
from tests.adapters.store.samples import stored_proposal, stored_request
from tests.adapters.store.test_sequencer import SIGNER, assert_sound
from tests.contracts.samples import BEN
from tests.killable_postgres import KillablePostgres

KEYS = {"key-1": "base64"}


def dispatcher(
    database: Database,
    gateway: RecordingGateway,
    backoff: Backoff = QUICK,
    lease: timedelta = timedelta(minutes=2),
) -> Dispatcher:
    deliveries = WorkflowDeliveries(database, gateway, KEYS).by_kind()
    return Dispatcher(database, deliveries, backoff, lease=lease)


async def stored_decision(database: Database) -> SignedDecision:
    made = await stored_proposal(database)
    decision = Decision(
        id=new_id("dec"),
        tenant="default",
        proposal_id=made.id,
        revision=1,
        kind=DecisionKind.APPROVE,
        reviewer=BEN,
        proposal_digest=made.digest,
        evaluation_digest="sha256:2",
        at=made.created_at,
        key_id="k",
    )
    signed = sign(decision, Ed25519PrivateKey.generate())
    async with database.transaction() as connection:
        await decisions.record(connection, signed, BEN)
        await outbox.put(connection, OutboxKind.DECIDE, decision.id)
    return signed


async def test_every_kind_is_delivered_once_with_what_its_row_says(database: Database) -> None:
    gateway = RecordingGateway()
    asked, made, voted = (
        await stored_request(database),
        await stored_proposal(database),
        await stored_decision(database),
    )
    await put(database, OutboxKind.START_REQUEST, asked.id)
    await put(database, OutboxKind.START_PROPOSAL, made.id)
    await put(database, OutboxKind.WAKE, made.id, held_on="lease:x")
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    assert sorted(gateway.calls) == sorted(
        [
            ("start_request", asked.id),
            ("start_proposal", made.id),
            ("decide", voted.decision.id),
            ("wake", made.id),
        ]
    )
    given = {type(one): one for one in gateway.inputs}
    assert given[RequestInput] == RequestInput(request=asked, public_keys=KEYS)
    assert given[ProposalInput] == ProposalInput.for_draft(made, KEYS)
    assert given[SignedDecision] == voted


async def test_nothing_is_called_inside_a_transaction(database: Database) -> None:
    async def deliver(_: OutboxRow) -> None:
        forbid_in_transaction()

    await put(database, OutboxKind.WAKE, "prp_1")
    async with running(Dispatcher(database, {OutboxKind.WAKE: deliver}, QUICK).run):
        await eventually(lambda: all_done(database))


async def test_what_fails_is_tried_again_until_it_gets_through(database: Database) -> None:
    failures = Counter[str]()

    def fail(_: str, subject: str) -> WorkflowUnavailable | None:
        failures[subject] += 1
        return WorkflowUnavailable("down") if failures[subject] < 4 else None

    gateway = RecordingGateway(fail=fail)
    await put(database, OutboxKind.WAKE, "prp_1")
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    assert gateway.calls == [("wake", "prp_1")]
    (row,) = await rows(database)
    assert (row.attempts, row.last_error) == (4, None)


async def test_a_row_that_fails_leaves_its_reason_and_waits(database: Database) -> None:
    patient = Backoff(first=timedelta(minutes=5), longest=timedelta(minutes=5))
    gateway = RecordingGateway(fail=lambda *_: WorkflowUnavailable("secret words"))
    await put(database, OutboxKind.WAKE, "prp_1")

    async def failed() -> bool:
        return (await rows(database))[0].last_error is not None

    async with running(dispatcher(database, gateway, patient).run):
        await eventually(failed)
    (row,) = await rows(database)
    assert (row.last_error, row.done_at) == ("workflow_unavailable", None)
    async with database.reading() as connection:
        waits = (
            await connection.execute(text("select extract(epoch from due_at - now()) from outbox"))
        ).scalar_one()
    assert 120 < waits <= 300


async def test_a_row_of_nothing_is_given_up(database: Database) -> None:
    for kind in (OutboxKind.START_REQUEST, OutboxKind.START_PROPOSAL, OutboxKind.DECIDE):
        await put(database, kind, "none")
    async with running(dispatcher(database, RecordingGateway()).run):
        await eventually(lambda: all_done(database))
    assert {row.last_error for row in await rows(database)} == {NotFound.reason_code}


async def test_attempts_can_be_capped(database: Database) -> None:
    async def never(_: OutboxRow) -> None:
        raise DeliveryFailed("http_500")

    capped = Backoff(first=timedelta(0), longest=timedelta(0), attempts=3)
    await put(database, OutboxKind.NOTIFY, "prp_1")
    async with running(Dispatcher(database, {OutboxKind.NOTIFY: never}, capped).run):
        await eventually(lambda: all_done(database))
    (row,) = await rows(database)
    assert (row.attempts, row.last_error) == (3, "http_500")


async def test_what_is_over_is_not_started_again(database: Database) -> None:
    asked, made = await stored_request(database), await stored_proposal(database)
    async with database.transaction() as connection:
        await requests.close(connection, asked.id, RequestStatus.ANSWERED, "yes", None)
        row = await proposals.lock(connection, made.id)
        await proposals.move(connection, row, ProposalState.CANCELLED, actor=SYSTEM, reason_code="cancelled")
    await put(database, OutboxKind.START_REQUEST, asked.id)
    await put(database, OutboxKind.START_PROPOSAL, made.id)
    gateway = RecordingGateway()
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    assert gateway.calls == []


async def test_a_late_refusal_marks_the_vote_and_is_audited(database: Database) -> None:
    voted = await stored_decision(database)
    gateway = RecordingGateway(fail=lambda *_: DecisionNotAccepted("decision_late"))
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    async with database.reading() as connection:
        vote = (await connection.execute(select(decision_rows))).one()
        refused = await connection.execute(
            select(audit_events.c.subject).where(audit_events.c.type == "decision.refused")
        )
        assert refused.scalars().all() == [voted.decision.proposal_id]
    assert (vote.status, vote.reason_code) == ("refused", "decision_late")
    assert (await rows(database))[0].last_error is None


async def test_one_delivery_that_hangs_or_crashes_holds_up_no_other(database: Database) -> None:
    hang, delivered = asyncio.Event(), list[str]()

    async def deliver(row: OutboxRow) -> None:
        if row.subject == "hangs":
            await hang.wait()
        if row.subject == "crashes":
            raise RuntimeError("a defect")
        delivered.append(row.subject)

    for subject in ("hangs", "crashes", *(f"prp_{number}" for number in range(20))):
        await put(database, OutboxKind.WAKE, subject)
    working = Dispatcher(database, {OutboxKind.WAKE: deliver}, QUICK, slots=4)

    async def only_those_are_open() -> bool:
        return [row.subject for row in await rows(database) if row.done_at is None] == ["hangs", "crashes"]

    async with running(working.run):
        await eventually(only_those_are_open)
    assert len(delivered) == 20


async def test_two_dispatchers_share_the_work_and_deliver_each_row_once(database: Database) -> None:
    made = [f"prp_{number}" for number in range(60)]
    for subject in made:
        await put(database, OutboxKind.WAKE, subject)
    one, two = RecordingGateway(), RecordingGateway()
    async with running(dispatcher(database, one).run, dispatcher(database, two).run):
        await eventually(lambda: all_done(database))
    assert sorted([*one.calls, *two.calls]) == sorted(("wake", subject) for subject in made)


async def test_a_claim_of_a_dispatcher_that_died_is_delivered_by_another(database: Database) -> None:
    row_id = await put(database, OutboxKind.WAKE, "prp_1")
    async with database.transaction() as connection:
        lease = timedelta(seconds=2)
        assert len(await outbox_queue.claim(connection, [OutboxKind.WAKE], limit=1, lease=lease)) == 1
        assert await outbox_queue.claim(connection, [OutboxKind.WAKE], limit=1, lease=lease) == []
    gateway = RecordingGateway()
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    assert gateway.calls == [("wake", "prp_1")]
    async with database.transaction() as connection:
        await outbox_queue.postpone(connection, row_id, timedelta(0), "too_late")
        await outbox_queue.give_up(connection, row_id, "too_late")
    assert (await rows(database))[0].last_error is None


async def test_the_trace_goes_on_from_the_transaction_to_the_delivery(database: Database) -> None:
    tracer = TracerProvider().get_tracer("test")
    gateway = RecordingGateway()
    with tracer.start_as_current_span("request") as span:
        await put(database, OutboxKind.WAKE, "prp_1")
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    assert gateway.traces == [span.get_span_context().trace_id]


async def test_old_rows_that_are_done_are_forgotten(database: Database) -> None:
    done, waiting = (
        await put(database, OutboxKind.WAKE, "prp_1"),
        await put(database, OutboxKind.WAKE, "prp_2"),
    )
    async with database.transaction() as connection:
        await outbox.settle(connection, done)
        assert await outbox_queue.forget_done(connection, timedelta(days=1)) == 0
        assert await outbox_queue.forget_done(connection, timedelta(0)) == 1
    assert [row.id for row in await rows(database)] == [waiting]


@pytest.mark.parametrize("attempts", [1, 2, 5, 40, 4_000])
def test_pauses_grow_up_to_a_longest_one(attempts: int) -> None:
    backoff = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=15))
    full = min(15.0, 2.0 ** (attempts - 1)) if attempts < 40 else 15.0
    pause = backoff.after(attempts)
    assert pause is not None
    assert full / 2 <= pause.total_seconds() <= full


async def test_a_killed_database_loses_no_row_and_all_loops_come_back(
    killable_postgres: KillablePostgres,
) -> None:
    await upgrade(killable_postgres.url)
    database, gateway = Database(killable_postgres.url), RecordingGateway()
    settled, promised = Counter[str](), list[str]()

    async def settle_halts(connection: object) -> None:
        settled["halts"] += 1

    loops = [
        loop
        for _ in range(2)
        for loop in background_loops(
            database,
            Sequencer(database, SIGNER),
            (dispatcher(database, gateway, lease=timedelta(seconds=3)),),
            settle_halts,
        )
    ]
    async with running(*loops):
        for outage in range(3):
            for number in range(10):
                made = await stored_proposal(database, id=f"prp_{outage}_{number}")
                await put(database, OutboxKind.START_PROPOSAL, made.id)
                promised.append(made.id)
            await asyncio.to_thread(killable_postgres.crash)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(killable_postgres.start)

            async def is_back() -> bool:
                try:
                    return await all_done(database)
                except StoreUnavailable:
                    return False

            await eventually(is_back)
        halts_before = settled["halts"]

        async def halts_settle() -> bool:
            return settled["halts"] > halts_before

        await eventually(halts_settle)
    assert set(gateway.calls) == {("start_proposal", made) for made in promised}
    size = (await Sequencer(database, SIGNER).checkpoint()).size
    assert size == len(promised)
    await assert_sound(database, size)
    await database.close()


async def test_a_decision_that_was_applied_unheard_wakes_its_workflow(database: Database) -> None:
    """The worker that applied it died before it told the workflow, and an Update without an answer is forgotten."""
    gateway, voted = RecordingGateway(), await stored_decision(database)
    async with database.transaction() as connection:
        assert await decisions.apply(connection, voted)
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    assert gateway.calls == [("wake", voted.decision.proposal_id)]


@pytest.mark.parametrize(
    ("code", "present"),
    [
        ("stale_revision", {"state": "evaluating"}),
        ("stale_revision", {"state": "ready"}),
        ("stale_revision", {"revision": 2}),
        ("stale_digest", {"digest": "sha256:9"}),
        ("not_eligible_role", {}),
    ],
    ids=["being judged", "decided", "edited", "another digest", "not out of date"],
)
async def test_what_the_database_does_not_wait_for_either_is_refused(
    database: Database, code: str, present: dict[str, Any]
) -> None:
    voted = await stored_decision(database)
    values = {"state": "awaiting_approval", "digest": voted.decision.proposal_digest} | present
    async with database.transaction() as connection:
        await connection.execute(
            update(proposal_rows).where(proposal_rows.c.id == voted.decision.proposal_id).values(values)
        )
    gateway = RecordingGateway(fail=lambda *_: DecisionNotAccepted(code))
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    async with database.reading() as connection:
        vote = (await connection.execute(select(decision_rows))).one()
    assert (vote.status, vote.reason_code) == ("refused", code)


@pytest.mark.parametrize("code", ["stale_revision", "stale_digest"])
async def test_a_workflow_that_is_behind_the_database_refuses_nothing_for_good(
    database: Database, code: str
) -> None:
    """A pass was committed and its worker died: until the workflow has caught up, it calls the newest vote stale."""
    voted = await stored_decision(database)
    values = {"id": voted.decision.proposal_id, "digest": voted.decision.proposal_digest}
    waits = "UPDATE proposals SET state = 'awaiting_approval', digest = :digest WHERE id = :id"
    async with database.transaction() as connection:
        await connection.execute(text(waits), values)
    answers = [DecisionNotAccepted(code), None]
    gateway = RecordingGateway(fail=lambda *_: answers.pop(0))
    async with running(dispatcher(database, gateway).run):
        await eventually(lambda: all_done(database))
    assert gateway.calls == [("decide", voted.decision.id)]
    async with database.reading() as connection:
        assert (await connection.execute(select(decision_rows.c.status))).scalar_one() == "recorded"
