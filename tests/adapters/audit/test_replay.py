from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from adapters.audit.checkpoint import CheckpointSigner
from adapters.audit.export import Entry, entry_line
from adapters.audit.replay import Replayed, ReplayInconsistent, events_of, replay
from adapters.store import audit_log, breakers, decisions, ledger, proposals, requests, schema
from adapters.store.database import Database, database_now
from adapters.store.ledger import Amount
from adapters.store.sequencer import Sequencer
from contracts.audit import AuditEvent, AuditType
from contracts.base import new_id
from contracts.configuration import BreakerLimits
from contracts.decision import Decision, DecisionKind, SignedDecision
from contracts.messages import RefusalInput
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from contracts.proposal import TRANSITIONS, Proposal, ProposalState
from contracts.request import RequestStatus
from contracts.signature import sign
from tests.adapters.store.samples import draft_of, fresh_proposal, request
from tests.steps import count_outcome, reserve

KEY = Ed25519PrivateKey.generate()
WINDOWS = (("environment=production", "month:2026-11"), ("team=inference", "day:2026-11-21"))


def vote(made: Proposal, reviewer: str, kind: DecisionKind) -> SignedDecision:
    decision = Decision(
        id=new_id("dec"),
        tenant=made.tenant,
        proposal_id=made.id,
        revision=1,
        kind=kind,
        reviewer=Principal(kind=PrincipalKind.HUMAN, subject=reviewer, roles=(Role.APPROVER,)),
        proposal_digest=made.digest,
        evaluation_digest="sha256:2",
        at=made.created_at,
        key_id="k",
    )
    return sign(decision, KEY)


async def live_request(database: Database, chance: random.Random) -> None:
    made = request()
    async with database.transaction() as connection:
        await requests.create(connection, made)
    async with database.transaction() as connection:
        await requests.mark_planning(connection, made.id)
    if chance.random() < 0.7:
        async with database.transaction() as connection:
            await requests.close(connection, made.id, RequestStatus.REFUSED, "no", "out_of_scope")


async def cast_votes(database: Database, made: Proposal, chance: random.Random) -> None:
    first, second, third = (vote(made, name, DecisionKind.APPROVE) for name in ("ben", "cem", "dea"))
    change = vote(made, "eli", DecisionKind.REQUEST_CHANGE)
    async with database.transaction() as connection:
        await proposals.lock(connection, made.id)
        for one in (first, second, third, change):
            await decisions.record(connection, one, one.decision.reviewer)
    async with database.transaction() as connection:
        await proposals.lock(connection, made.id)
        await decisions.apply(connection, first)
        await decisions.refuse(connection, second.decision.id, "decision_late", SYSTEM)
        claimed = RefusalInput(
            proposal_id=made.id,
            tenant=made.tenant,
            decision_id=third.decision.id,
            claimed_reviewer="local/dea",
            reason_code="bad_signature",
        )
        hearsay = audit_log.event(
            AuditType.DECISION_REFUSED, tenant=made.tenant, subject=made.id, actor=SYSTEM, payload=claimed
        )
        await audit_log.append(connection, hearsay)
        if chance.random() < 0.5:
            await decisions.apply(connection, change)
            await decisions.void_votes(connection, change)


async def spend(database: Database, made: Proposal, chance: random.Random) -> None:
    for _ in range(2):
        wanted = [
            Amount(scope, window, "USD", Decimal(chance.randint(1, 99_999)) / 100)
            for scope, window in WINDOWS
        ]
        async with database.transaction() as connection:
            await proposals.lock(connection, made.id)
            await reserve(connection, made.tenant, made.id, wanted)
    if chance.random() < 0.8:
        async with database.transaction() as connection:
            await proposals.lock(connection, made.id)
            await (ledger.commit_all if chance.random() < 0.5 else ledger.release_all)(connection, made.id)


async def live_proposal(database: Database, chance: random.Random) -> None:
    made = fresh_proposal()
    async with database.transaction() as connection:
        await proposals.create(connection, draft_of(made))
    await cast_votes(database, made, chance)
    await spend(database, made, chance)
    for _ in range(chance.randint(0, 9)):
        async with database.transaction() as connection:
            row = await proposals.lock(connection, made.id)
            onward = sorted(TRANSITIONS.get(ProposalState(row.state), frozenset()))
            if onward:
                await proposals.move(
                    connection,
                    row,
                    chance.choice(onward),
                    actor=SYSTEM,
                    reason_code=f"r{chance.randint(0, 9)}",
                    proposal=made if chance.random() < 0.5 else None,
                )


async def exported_lines(database: Database) -> list[bytes]:
    await Sequencer(database, CheckpointSigner(KEY), batch=11).checkpoint()
    events = schema.audit_events.c
    async with database.reading() as connection:
        rows = await connection.execute(
            select(events.number, events.leaf, events.leaf_hash).order_by(events.number)
        )
        return [entry_line(Entry(*row)) for row in rows.all()]


async def as_stored(database: Database) -> dict[str, object]:
    async with database.reading() as connection:
        asked, made, votes, windows = [
            (await connection.execute(select(table))).all()
            for table in (schema.requests, schema.proposals, schema.decisions, schema.budget_windows)
        ]
    return {
        "requests": {row.id: (row.status, row.answer, row.reason_code) for row in asked},
        "proposals": {
            row.id: (row.tenant, row.state, row.revision, row.digest, row.reason_code) for row in made
        },
        "votes": {
            row.id: (row.proposal_id, row.revision, row.reviewer, row.kind, row.status, row.reason_code)
            for row in votes
        },
        "balances": {
            (row.tenant, row.scope, row.window): (
                row.currency,
                row.reserved,
                row.committed,
                row.hourly,
                row.alerted,
            )
            for row in windows
        },
    }


def as_replayed(state: Replayed) -> dict[str, object]:
    return {
        "requests": {one.id: (one.status, one.answer, one.reason_code) for one in state.requests.values()},
        "proposals": {
            one.id: (one.tenant, one.state, one.revision, one.digest, one.reason_code)
            for one in state.proposals.values()
        },
        "votes": {
            one.id: (one.proposal_id, one.revision, one.reviewer, one.kind, one.status, one.reason_code)
            for one in state.votes.values()
        },
        "balances": {
            key: (one.currency, one.reserved, one.committed, one.hourly, one.alerted)
            for key, one in state.balances.items()
        },
    }


async def test_the_events_alone_rebuild_states_votes_and_balances(database: Database) -> None:
    chance = random.Random(2026)
    lives = [live_proposal(database, random.Random(chance.random())) for _ in range(12)]
    lives += [live_request(database, random.Random(chance.random())) for _ in range(5)]
    await asyncio.gather(*lives)
    rebuilt = as_replayed(replay(events_of(await exported_lines(database))))
    assert rebuilt == await as_stored(database)


async def test_a_log_that_lacks_an_event_does_not_replay(database: Database) -> None:
    await live_request(database, random.Random(1))
    await live_proposal(database, random.Random(5))
    events = list(events_of(await exported_lines(database)))
    replay(events)
    for kind in (AuditType.REQUEST_RECEIVED, AuditType.PROPOSAL_CREATED, AuditType.DECISION_RECORDED):
        place = next(index for index, event in enumerate(events) if event.type is kind)
        with pytest.raises(ReplayInconsistent):
            replay(events[:place] + events[place + 1 :])


def moved(number: int, before: str, after: str) -> AuditEvent:
    payload = {"proposal_id": "prp_1", "revision": 1, "from": before, "to": after, "reason_code": "x"}
    return audit_log.event(
        AuditType.PROPOSAL_MOVED, tenant="default", subject=f"prp_{number}", actor=SYSTEM, payload=payload
    )


@pytest.mark.parametrize(
    ("before", "after"), [("ready", "executing"), ("evaluating", "succeeded"), ("evaluating", "nonsense")]
)
def test_a_move_that_the_state_table_does_not_have_does_not_replay(before: str, after: str) -> None:
    created = audit_log.event(
        AuditType.PROPOSAL_CREATED,
        tenant="default",
        subject="prp_1",
        actor=SYSTEM,
        payload=draft_of(fresh_proposal(id="prp_1")),
    )
    assert replay([created, moved(1, "evaluating", "ready")]).proposals["prp_1"].state is ProposalState.READY
    with pytest.raises(ReplayInconsistent):
        replay([created, moved(1, before, after)])


async def test_every_breaker_stands_in_the_log_as_it_stands_in_its_row(database: Database) -> None:
    limits, chance = BreakerLimits(failures=2, cooldown=timedelta(0)), random.Random(7)
    ids = [f"{scope}:x" for scope in ("agent", "kind", "model", "provider", "target")]
    for _ in range(60):
        async with database.transaction() as connection:
            now, one = await database_now(connection), chance.choice(ids)
            match chance.randint(0, 6):
                case 0:
                    await breakers.reset(connection, one, actor=SYSTEM, reason="cured", tenant="default")
                case 1:
                    await breakers.open_by_hand(
                        connection,
                        one,
                        actor=SYSTEM,
                        reason="stop",
                        lasts=timedelta(0),
                        now=now,
                        tenant="default",
                    )
                case 2:
                    await breakers.cool_down(connection, tenant="default")
                case 3:
                    await breakers.take_probe(connection, one, "prp_1", now, tenant="default")
                case _:
                    ok = chance.random() < 0.3
                    await count_outcome(connection, [one], ok, "stockout", limits, now, proposal_id="prp_1")
    async with database.reading() as connection:
        stored = {one.id: one for one in await breakers.all_breakers(connection)}
    assert len(stored) == len(ids)
    assert replay(events_of(await exported_lines(database))).breakers == stored
