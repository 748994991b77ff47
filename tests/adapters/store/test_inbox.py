from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters.store import inbox
from adapters.store.database import Database
from adapters.store.inbox import Position, Tab
from adapters.store.proposal_filters import ProposalFilters, _summary
from adapters.store.schema import proposals as table
from contracts.action import SetNodePoolAutoscaling
from contracts.base import utc_now
from contracts.evaluation import RiskTier
from contracts.messages import summary_of
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import ProposalState
from tests.contracts.samples import AGENT, ANA, BEN, resize
from tests.inbox_samples import GUARDRAILS, move, vote, waiting

TENANT = "default"
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.APPROVER,))
EVERYTHING = ProposalFilters()


async def ids(database: Database, tab: Tab = Tab.ALL, reader: Principal = BEN, **filters: Any) -> list[str]:
    async with database.reading() as connection:
        rows = await inbox.page(
            connection, TENANT, reader, tab, filters=ProposalFilters(**filters), limit=100
        )
    return [row.id for row in rows]


async def test_what_expires_first_stands_first(database: Database) -> None:
    now = utc_now()
    made = [await waiting(database, decide_by=now + timedelta(hours=hours)) for hours in (3, 1, 2)]
    assert await ids(database) == [made[1].id, made[2].id, made[0].id]


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("its requester", ANA),
        ("an author", Principal(kind=PrincipalKind.HUMAN, subject="zoe", roles=(Role.APPROVER,))),
        ("somebody without the role", BEN.model_copy(update={"roles": (Role.VIEWER, Role.OPERATOR)})),
        ("somebody without any role", BEN.model_copy(update={"roles": ()})),
        ("an agent", AGENT),
        ("the owner of its agent", OLGA.model_copy(update={"subject": "olivia"})),
        ("the owner of its agent, named without an issuer", OLGA),
        (
            "a member of the group that owns its agent",
            OLGA.model_copy(update={"subject": "mo", "groups": ("ml",)}),
        ),
    ],
)
async def test_nothing_waits_for_whoever_may_not_decide(
    database: Database, name: str, reader: Principal
) -> None:
    zoe = Principal(kind=PrincipalKind.HUMAN, subject="zoe", roles=(Role.APPROVER,))
    made = await waiting(database, authors=(ANA, zoe), judgement={"excluded": ("local/olivia", "ml", "olga")})
    assert await ids(database, Tab.MINE, reader) == [], name
    assert await ids(database, Tab.ALL, reader) == [made.id]
    assert await ids(database, Tab.MINE, BEN) == [made.id]


async def test_the_same_subject_of_another_issuer_is_somebody_else(database: Database) -> None:
    made = await waiting(database)
    namesake = ANA.model_copy(update={"issuer": "https://idp.example", "roles": (Role.APPROVER,)})
    assert await ids(database, Tab.MINE, namesake) == [made.id]


async def test_the_roles_that_the_newest_pass_asks_for_decide(database: Database) -> None:
    made = await waiting(database, judgement={"roles": (Role.OPERATOR,)})
    assert await ids(database, Tab.MINE, BEN) == []
    operator = BEN.model_copy(update={"roles": (Role.OPERATOR,)})
    assert await ids(database, Tab.MINE, operator) == [made.id]


async def test_what_i_voted_on_is_no_longer_mine_and_still_waits_for_others(database: Database) -> None:
    made = await waiting(database)
    await vote(database, made)
    assert await ids(database, Tab.MINE) == []
    assert await ids(database, Tab.ALL) == [made.id]
    async with database.reading() as connection:
        (row,) = await inbox.of_ids(connection, TENANT, [made.id])
    assert [(one["reviewer"], one["kind"]) for one in row.votes] == [("local/ben", "approve")]


async def test_what_is_past_its_deadline_waits_for_nobody(database: Database) -> None:
    await waiting(database, decide_by=utc_now() - timedelta(seconds=1))
    assert await ids(database, Tab.MINE) == []
    assert len(await ids(database, Tab.ALL)) == 1


async def test_what_moved_last_stands_first_among_the_decided(database: Database) -> None:
    early, late, open_one = [await waiting(database) for _ in range(3)]
    await move(database, late, ProposalState.READY)
    await move(database, early, ProposalState.REJECTED)
    await move(database, late, ProposalState.EXECUTING)
    assert await ids(database, Tab.DECIDED) == [late.id, early.id]
    assert await ids(database, Tab.ALL) == [open_one.id]


async def test_pages_go_on_by_key_without_gap_or_repeat_also_among_equal_deadlines(
    database: Database,
) -> None:
    moment = utc_now() + timedelta(hours=1)
    made = [await waiting(database, decide_by=moment) for _ in range(7)]
    seen: list[str] = []
    after: Position | None = None
    while True:
        async with database.reading() as connection:
            rows = await inbox.page(
                connection, TENANT, BEN, Tab.ALL, filters=EVERYTHING, after=after, limit=3
            )
        if not rows:
            break
        seen += [row.id for row in rows]
        after = Position(rows[-1].decide_by, rows[-1].id)
    assert seen == sorted(one.id for one in made)


async def test_each_filter_narrows_and_several_narrow_together(database: Database) -> None:
    production = await waiting(database, risk=RiskTier.HIGH)
    development = await waiting(database, environment="development", team="apps", risk=RiskTier.LOW)
    assert await ids(database, environment="development") == [development.id]
    assert await ids(database, team="apps") == [development.id]
    assert await ids(database, risk=RiskTier.HIGH) == [production.id]
    assert await ids(database, risk=RiskTier.HIGH, environment="development") == []
    assert set(await ids(database, requester="local/ana")) == {production.id, development.id}
    assert await ids(database, requester="local/an") == []
    assert await ids(database, action_kind="gke.node_pool.autoscaling") == []
    assert await ids(database, outcome="deny") == []
    assert len(await ids(database, outcome="require_approval")) == 2


async def test_a_risk_that_was_never_judged_counts_as_high(database: Database) -> None:
    made = await waiting(database)
    async with database.transaction() as connection:
        await connection.execute(update(table).values(risk=None))
    assert await ids(database, risk=RiskTier.HIGH) == [made.id]


@pytest.mark.parametrize(
    "text",
    ["inference", "INFERENCE resize", "ana", "to 4 per zone", "acme-prod/serving/inference", "prp_"],
)
async def test_a_search_finds_words_of_id_target_requester_and_summary(database: Database, text: str) -> None:
    made = await waiting(database)
    assert await ids(database, text=text) == [made.id]


@pytest.mark.parametrize("text", ["inference batch", "%", "_", "\\", "in%ce", "'; drop table proposals; --"])
async def test_a_search_takes_every_character_literally(database: Database, text: str) -> None:
    made = await waiting(database)
    found = await ids(database, text=text)
    assert found == ([made.id] if text == "_" else [])


async def test_the_summary_that_a_search_reads_is_the_one_that_people_see(database: Database) -> None:
    bounds = SetNodePoolAutoscaling(
        **resize().model_dump(exclude={"kind", "node_count"}), min_node_count=1, max_node_count=9
    )
    made = [await waiting(database, action=action) for action in (resize(7), bounds)]
    async with database.reading() as connection:
        rows = await connection.execute(select(table.c.id, _summary()))
        spelled = dict(tuple(row) for row in rows.all())
    assert spelled == {one.id: summary_of(one.action) for one in made}


async def test_counts_tell_what_each_tab_holds(database: Database) -> None:
    made = [await waiting(database) for _ in range(3)]
    await vote(database, made[0])
    await move(database, made[1], ProposalState.REJECTED)
    async with database.reading() as connection:
        assert await inbox.counts(connection, TENANT, BEN) == {Tab.MINE: 1, Tab.ALL: 2, Tab.DECIDED: 1}
        assert await inbox.count_waiting_for(connection, TENANT, BEN) == 1
        assert await inbox.count_waiting_for(connection, TENANT, ANA) == 0
        assert await inbox.counts(connection, "other", BEN) == dict.fromkeys(Tab, 0)


async def test_filters_offer_what_the_tab_holds(database: Database) -> None:
    await waiting(database)
    await waiting(database, environment="development", team="")
    async with database.reading() as connection:
        found = await inbox.choices(connection, TENANT, Tab.ALL)
        nothing = await inbox.choices(connection, TENANT, Tab.DECIDED)
    assert found == {
        "environment": ["development", "production"],
        "team": ["inference"],
        "requester": ["local/ana"],
    }
    assert nothing == {"environment": [], "team": [], "requester": []}


async def test_a_row_carries_verdicts_and_what_is_asked(database: Database) -> None:
    made = await waiting(database)
    async with database.reading() as connection:
        (row,) = await inbox.of_ids(connection, TENANT, [made.id, "prp_none"])
    assert [one["guardrail"] for one in row.verdicts] == list(GUARDRAILS)
    assert row.verdicts[-1] == {"guardrail": "approval_rule", "outcome": "require_approval"}
    assert (row.requirement["quorum"], row.monthly_delta, row.currency) == (1, "2744.80", "USD")
    assert row.evaluation_digest.startswith("sha256:")
