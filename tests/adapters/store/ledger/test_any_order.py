"""The real ledger in any order of postings: I3 at every read, sums that follow from entries, nothing left at rest.

The machine keeps no sums of its own but the cap it grants by; the database judges after every step.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from adapters.store import ledger, proposals, schema
from adapters.store.database import Database
from adapters.store.ledger import Amount, Cap, Share, windows
from contracts.base import new_id
from tests.adapters.store.samples import draft_of, fresh_proposal
from tests.steps import reserve, settle

pytestmark = pytest.mark.postgres_15

D = Decimal
LIMIT = D(500)
DAYS = tuple(f"day:2026-11-{day}" for day in range(21, 29))
MONTH = "month:2026-11"
SCOPES = ("environment=production", "tenant")
HOURS = {MONTH: D(720)} | dict.fromkeys(DAYS, D(24))
dollars = st.decimals("0.01", "300", places=2)
rates = st.decimals("-3", "3", places=2)
hours = st.decimals("0.01", "24", places=2)


class Machine(RuleBasedStateMachine):
    """One tenant, budgets by day and month over two scopes, changes that come and go."""

    reserved: Bundle[str] = Bundle("reserved")
    settled: Bundle[str] = Bundle("settled")

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        super().__init__()
        self.runner, self.database = runner, database
        self.tenant = new_id("tenant")
        self.day = 0
        self.overrun: set[tuple[str, str]] = set()

    @initialize()
    def begin(self) -> None:
        self.open: set[str] = set()

    @property
    def keys(self) -> list[tuple[str, str]]:
        return [(scope, window) for scope in SCOPES for window in (DAYS[self.day], MONTH)]

    @rule(target=reserved, wanted=dollars)
    def ask(self, wanted: Decimal) -> str:
        return self.runner.run(self._ask(new_id("prp"), wanted, is_new=True))

    @rule(proposal=reserved, wanted=dollars)
    def ask_again(self, proposal: str, wanted: Decimal) -> None:
        if proposal in self.open:
            self.runner.run(self._ask(proposal, wanted, is_new=False))

    @rule(target=settled, proposal=consumes(reserved), hourly=rates, left=hours, crossed=st.booleans())
    def verify(self, proposal: str, hourly: Decimal, left: Decimal, crossed: bool) -> str:
        if proposal in self.open:
            self.runner.run(self._verify(proposal, hourly, left, crossed=crossed and self.day > 0))
            self.open.discard(proposal)
        return proposal

    @rule(proposal=consumes(reserved), target=settled)
    def fail(self, proposal: str) -> str:
        self.runner.run(self._release(proposal))
        self.open.discard(proposal)
        return proposal

    @rule(proposal=settled)
    def deliver_the_end_twice(self, proposal: str) -> None:
        """A retry of the closing transaction finds nothing reserved and posts nothing."""
        before = self.runner.run(self._sums())
        self.runner.run(self._release(proposal))
        self.runner.run(self._commit(proposal))
        assert self.runner.run(self._sums()) == before

    @rule()
    def a_new_day(self) -> None:
        self.day = min(self.day + 1, len(DAYS) - 1)

    @invariant()
    def the_books_are_right(self) -> None:
        self.runner.run(self._judge())

    def teardown(self) -> None:
        """At rest, everything closed: nothing stays reserved."""
        for proposal in sorted(self.open):
            self.runner.run(self._release(proposal))
        found = self.runner.run(self._sums())
        assert {reserved for reserved, _, _ in found.values()} <= {D(0)}

    async def _ask(self, proposal: str, wanted: Decimal, *, is_new: bool) -> str:
        """A guard pass: grant only what every covering cap holds, or nothing at all."""
        amounts = [Amount(*key, "USD", wanted, HOURS[key[1]]) for key in self.keys]
        async with self.database.transaction() as connection:
            if is_new:
                await proposals.create(connection, draft_of(fresh_proposal(id=proposal, tenant=self.tenant)))
            own = {one.key: one.reserved for one in await ledger.positions_of(connection, proposal)}
            locked = await ledger.lock_windows(
                connection, self.tenant, [*[one.wanted for one in amounts], *[(*key, "USD") for key in own]]
            )
            # A window may open above its cap: the run-rate of the one before is a fact, not a grant.
            self.overrun |= {one.key for one in locked if one.standing > LIMIT}
            free = {one.key: LIMIT - one.standing + own.get(one.key, D(0)) for one in locked}
            if all(wanted <= free[key] for key in self.keys):
                caps = {key: Cap(LIMIT, (50, 100)) for key in self.keys}
                await reserve(connection, self.tenant, proposal, amounts, caps=caps)
                granted = await windows.look(connection, self.tenant, [one.wanted for one in amounts])
                assert all(one.standing <= LIMIT for one in granted)
        self.open.add(proposal)
        return proposal

    async def _verify(self, proposal: str, hourly: Decimal, left: Decimal, *, crossed: bool) -> None:
        shares = [Share(scope, MONTH, "USD", left, HOURS[MONTH]) for scope in SCOPES]
        for scope in SCOPES:
            if crossed:
                shares.append(Share(scope, DAYS[self.day - 1], "USD", D(1), D(24), carries_rate=False))
            shares.append(Share(scope, DAYS[self.day], "USD", min(left, D(24)), D(24)))
        async with self.database.transaction() as connection:
            asked = [one.wanted for one in shares]
            before = {one.key: one for one in await windows.look(connection, self.tenant, asked)}
            own = {one.key: one.reserved for one in await ledger.positions_of(connection, proposal)}
            await settle(connection, self.tenant, proposal, shares, hourly)
        for share in shares:
            cost = hourly * share.hours
            if cost > own.get(share.key, D(0)) or before[share.key].standing > LIMIT:
                # More than was granted, found later: it is on the books, and blocks what comes after.
                self.overrun.add(share.key)

    async def _release(self, proposal: str) -> None:
        async with self.database.transaction() as connection:
            await ledger.release_all(connection, proposal)

    async def _commit(self, proposal: str) -> None:
        async with self.database.transaction() as connection:
            await ledger.commit_all(connection, proposal)

    async def _sums(self) -> dict[tuple[str, str], tuple[Decimal, Decimal, Decimal]]:
        sums = schema.budget_windows.c
        async with self.database.reading() as connection:
            rows = await connection.execute(select(schema.budget_windows).where(sums.tenant == self.tenant))
            return {(row.scope, row.window): (row.reserved, row.committed, row.hourly) for row in rows.all()}

    async def _judge(self) -> None:
        async with self.database.reading() as connection:
            assert await ledger.verify(connection, self.tenant) == ()
        for key, (reserved, committed, hourly) in (await self._sums()).items():
            assert min(reserved, committed, hourly) >= 0
            assert reserved + committed <= LIMIT or key in self.overrun


def test_the_ledger_is_right_after_every_step_of_any_order(migrated_database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(migrated_database_url, pool_size=1)

        class Ours(Machine):
            def __init__(self) -> None:
                super().__init__(runner, database)

        try:
            run_state_machine_as_test(
                Ours,
                settings=settings(
                    max_examples=20,
                    stateful_step_count=20,
                    deadline=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.close())
