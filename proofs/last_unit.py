"""I3 under a race: 64 racers for the last unit of a budget, round after round. The database is the judge.

Each racer does what a guard pass does with money, with the same code: it locks its proposal and the budget's windows,
lets the guardrail decide, and posts its reservation. In every round the cap holds exactly one of them. A reader looks
at the sums all the while.

    python -m proofs.last_unit --rounds 5000 [--racers 64] [--url postgresql+asyncpg://…]

Without a URL it starts a PostgreSQL of its own. Exit status 1 when an invariant does not hold.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import insert, select, text

from adapters.store import ledger, proposals, schema
from adapters.store.batch import Batch
from adapters.store.database import Database
from adapters.store.ledger import Subject, Wanted
from adapters.store.migrate import upgrade
from contracts.action import ResizeNodePool
from contracts.base import new_id
from contracts.configuration import ApprovalLimits, Limits
from contracts.evaluation import Outcome
from contracts.observation import NodePoolObservation, ZoneSize
from contracts.ports import NodePrice
from contracts.principal import Principal, PrincipalKind
from contracts.proposal import Draft, Planner, PlannerKind
from contracts.request import Channel, Trust
from guardrails.budget.cost import estimate
from guardrails.budget.decision import decide
from guardrails.facts import BudgetFacts, Facts
from proofs.postgres import postgres
from proofs.report import Report, Stopwatch, arguments, conclude, exactly, told

RACERS = 64
UNIT = Decimal("1.00")
"""What each racer needs, and what is left of the cap."""
TENANT = "race"
SCOPES = ("environment=production", "tenant")
WINDOWS = ("day:2026-11-21", "month:2026-11")
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Result:
    """What the database says after the race."""

    rounds: int
    winners: int
    rounds_with_one_winner: int
    reads: int
    """How often sums were there to be read while the race went on."""
    broken_reads: int
    """Reads that saw more than the cap."""
    faults: tuple[str, ...]
    """Sums that do not follow from the entries."""

    @property
    def holds(self) -> bool:
        """Tell whether the invariant held."""
        return (
            self.winners == self.rounds_with_one_winner == self.rounds
            and self.reads > 0
            and self.broken_reads == 0
            and not self.faults
        )


async def race(url: str, *, rounds: int, racers: int = RACERS) -> Result:
    """Run the rounds against an empty, migrated database and let it judge."""
    database, watcher = Database(url, pool_size=racers), Database(url, pool_size=1)
    progress = _Progress()
    watching = asyncio.create_task(_watch(watcher, progress))
    try:
        await _enter(database, racers * rounds)
        await _connect(database, racers)
        watch = Stopwatch(rounds, "rounds")
        for number in range(rounds):
            progress.cap = UNIT * (number + 1)
            await asyncio.gather(*[_run(database, number, racer, racers) for racer in range(racers)])
            watch.at(number + 1)
        progress.is_over = True
        reads, broken = await watching
        return await _judge(database, rounds, racers, reads, broken)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await database.close()
        await watcher.close()


@dataclass(slots=True)
class _Progress:
    """Where the race is, for whoever watches."""

    cap: Decimal = UNIT
    is_over: bool = False


async def _enter(database: Database, count: int) -> None:
    draft = _draft()
    common = {
        "tenant": TENANT,
        "revision": 1,
        "state": "evaluating",
        "draft": {},
        "target_key": draft.action.target.key,
        "action_kind": draft.action.kind,
        "environment": "production",
        "team": "racers",
        "requester": "local/race",
        "priority": 3,
        "decide_by": draft.decide_by,
        "execute_by": draft.execute_by,
    }
    async with database.transaction() as connection:
        for first in range(0, count, 1000):
            some = range(first, min(first + 1000, count))
            await connection.execute(
                insert(schema.proposals), [{"id": _proposal(number), **common} for number in some]
            )


async def _connect(database: Database, count: int) -> None:
    """Fill the pool, one connection after the other: what is raced for is the unit, not a connection."""
    async with AsyncExitStack() as held:
        for _ in range(count):
            await held.enter_async_context(database.single())


async def _run(database: Database, number: int, racer: int, racers: int) -> None:
    """One racer: the caps of a round hold what the rounds before reserved, and one unit more."""
    cap = UNIT * (number + 1)
    wanted = [Wanted(scope, window, "USD", Decimal(24)) for scope in SCOPES for window in WINDOWS]
    async with database.transaction() as connection:
        row = await proposals.lock(connection, _proposal(number * racers + racer))
        balances = await ledger.lock_windows(connection, TENANT, wanted)
        facts = _facts(balances, cap)
        cost = estimate(facts)
        if decide(facts).outcome is not Outcome.ALLOW or cost is None:
            return
        amounts = [ledger.Amount(one.scope, one.window, one.currency, one.amount) for one in cost.lines]
        postings = ledger.plan_reservation((), amounts, shrink=True)
        batch = Batch()
        ledger.add_postings(batch, Subject(TENANT, proposal_id=row.id), postings, balances)
        await batch.send(connection)


async def _watch(database: Database, progress: _Progress) -> tuple[int, int]:
    """Read the sums until the race is over: never above the cap, and never one without the others."""
    reads = broken = 0
    sums = schema.budget_windows.c
    while not progress.is_over:
        async with database.reading() as connection:
            found = await connection.execute(
                select(sums.reserved + sums.committed).where(sums.tenant == TENANT)
            )
            standing = list(found.scalars())
        reads += bool(standing)
        # Caps only rise, so the one of this moment is at least that of the read.
        broken += any(one > progress.cap for one in standing) or len(set(standing)) > 1
        await asyncio.sleep(0.002)
    return reads, broken


_WON = text("""
    WITH rounds AS (
        SELECT count(DISTINCT proposal_id) AS winners FROM ledger_entries
        WHERE tenant = :tenant AND kind = 'reserve'
        GROUP BY CAST(split_part(proposal_id, '_', 3) AS bigint) / :racers
    )
    SELECT CAST(coalesce(sum(winners), 0) AS bigint) AS winners, count(*) FILTER (WHERE winners = 1) AS rounds
    FROM rounds
""")


async def _judge(database: Database, rounds: int, racers: int, reads: int, broken: int) -> Result:
    async with database.reading() as connection:
        won = (await connection.execute(_WON, {"tenant": TENANT, "racers": racers})).one()
        faults = await ledger.verify(connection, TENANT)
    return Result(rounds, won.winners, won.rounds, reads, broken, faults)


def _proposal(number: int) -> str:
    return f"prp_race_{number}"


def _facts(balances: tuple[ledger.Balance, ...], cap: Decimal) -> Facts:
    draft = _draft()
    return Facts(
        draft=draft,
        pass_number=1,
        admitting=False,
        now=_NOW,
        mode="practice",
        target=None,
        environment=None,
        limits=Limits(),
        approval_limits=ApprovalLimits(),
        observation=_OBSERVED,
        price=NodePrice(per_hour=UNIT, currency="USD", source="race", as_of=date(2026, 11, 1)),
        budgets=tuple(
            BudgetFacts(
                scope=one.scope,
                window=one.window,
                currency="USD",
                ledger_currency=one.currency,
                limit=cap,
                reserved=one.reserved,
                committed=one.committed,
                hours_left=Decimal(1),
            )
            for one in balances
        ),
        rates=(),
    )


_OBSERVED = NodePoolObservation(
    taken_at=_NOW,
    status="RUNNING",
    machine_type="n2-standard-4",
    zones=(ZoneSize(zone="a", instance_group="a", target_size=1, running=1, stable=True),),
)


def _draft() -> Draft:
    racer = Principal(kind=PrincipalKind.HUMAN, subject="race", issuer="local")
    return Draft(
        id=new_id("prp"),
        tenant=TENANT,
        revision=1,
        authors=(racer,),
        channel=Channel.API,
        trust=Trust.TRUSTED,
        action=ResizeNodePool(
            project="acme-race", location="europe-west4", cluster="race", node_pool="race", node_count=2
        ),
        environment="production",
        team="racers",
        reason="",
        planner=Planner(kind=PlannerKind.RULES),
        created_at=_NOW,
        decide_by=_NOW + timedelta(hours=1),
        execute_by=_NOW + timedelta(hours=2),
        mode="practice",
    )


async def _prove(url: str, rounds: int, racers: int) -> Result:
    await upgrade(url)
    return await race(url, rounds=rounds, racers=racers)


def main() -> int:
    """Run the race and say what the database found."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--racers", type=int, default=RACERS)
    parser.add_argument("--url", help="an empty database; without it a PostgreSQL is started")
    given = parser.parse_args()
    began = time.monotonic()
    if given.url:
        result = asyncio.run(_prove(given.url, given.rounds, given.racers))
    else:
        with postgres() as url:
            result = asyncio.run(_prove(url, given.rounds, given.racers))
    report = Report(
        promise=f"{given.racers} racers for the last unit of a budget have one winner each time (I3).",
        figures=(
            exactly("rounds", result.rounds, given.rounds),
            exactly("rounds with one winner", result.rounds_with_one_winner, given.rounds),
            exactly("winners", result.winners, given.rounds),
            told("reads of the sums meanwhile", result.reads),
            exactly("reads above the cap", result.broken_reads, 0),
        ),
        faults=result.faults if result.reads else (*result.faults, "the sums were never read"),
        again=f"python -m proofs.last_unit --rounds {given.rounds} --racers {given.racers}",
        seconds=time.monotonic() - began,
    )
    return conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
