"""Breakers on real PostgreSQL: any order of what may happen to one, and contenders for its one probe."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers
from adapters.store.database import Database, database_now
from contracts.circuit_breaker import READ_WITHIN
from contracts.configuration import BreakerLimits
from contracts.safety import Breaker, BreakerState
from tests.contracts.samples import BEN, NOON
from tests.steps import count_outcome

ROOT = Path(__file__).resolve().parents[3]
LIMITS = BreakerLimits(
    failures=2, cooldown=timedelta(minutes=5), max_cooldown=timedelta(minutes=20), jitter=0.2
)
OWNERS = ("prp_1", "prp_2", "prp_3")
EACH = 20
T = TypeVar("T")


class StoredBreaker(RuleBasedStateMachine):
    """What the store holds after each step, under a clock that jumps both ways."""

    database: Database
    runner: asyncio.Runner

    @initialize(scope=st.sampled_from(["target", "kind", "model"]))
    def begin(self, scope: str) -> None:
        self.id = f"{scope}:{uuid.uuid4().hex}"
        self.now = NOON
        self.before: Breaker | None = None

    def _do(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def run() -> T:
            async with self.database.transaction() as connection:
                self.before = await breakers.find(connection, self.id)
                return await work(connection)

        return self.runner.run(run())

    def _now_is(self) -> Breaker | None:
        async def read() -> Breaker | None:
            async with self.database.reading() as connection:
                return await breakers.find(connection, self.id)

        return self.runner.run(read())

    @rule(minutes=st.integers(-60, 60))
    def the_clock_jumps(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(owner=st.sampled_from(OWNERS), ok=st.booleans())
    def an_effect_ends(self, owner: str, ok: bool) -> None:
        code = "verified" if ok else "stockout"
        self._do(
            lambda connection: count_outcome(
                connection, [self.id], ok, code, LIMITS, self.now, proposal_id=owner
            )
        )
        before, after = self.before, self._now_is()
        if after is None:
            assert ok
            return
        was_probe = before is not None and before.probe_owner == owner
        if ok and (was_probe or before is None or before.state is BreakerState.CLOSED):
            assert (after.state, after.openings, after.consecutive_failures) == (BreakerState.CLOSED, 0, 0)
        if not ok and was_probe:
            assert after.state is BreakerState.OPEN
        if before is not None and before.state is not BreakerState.CLOSED and not was_probe:
            assert (after.state, after.open_until) == (before.state, before.open_until)
        if before is not None and after.openings > before.openings:
            self._opened_for_its_turn(after)

    def _opened_for_its_turn(self, after: Breaker) -> None:
        assert after.open_until is not None
        base = min(LIMITS.cooldown * 2 ** (after.openings - 1), LIMITS.max_cooldown)
        assert base * 0.8 <= after.open_until - self.now <= base

    @rule(owner=st.sampled_from(OWNERS))
    def a_proposal_asks(self, owner: str) -> None:
        let = self._do(
            lambda connection: breakers.take_probe(connection, self.id, owner, self.now, tenant="default")
        )
        before, after = self.before, self._now_is()
        if before is None or before.state is BreakerState.CLOSED:
            assert let
            return
        assert after is not None
        assert let is (after.state is BreakerState.HALF_OPEN and after.probe_owner == owner)
        if let and before.state is BreakerState.OPEN:
            assert before.open_until is not None
            assert before.open_until <= self.now

    @rule(failed=st.booleans())
    def housekeeping_reads(self, failed: bool) -> None:
        found = self._now_is()
        if found is None or not self.id.startswith("target:"):
            return
        if failed:
            code = "provider_unavailable"
            moved = self._do(
                lambda connection: breakers.reopen_after_read(
                    connection, found, code, LIMITS, self.now, tenant="default"
                )
            )
            if moved:
                after = self._now_is()
                assert after is not None
                self._opened_for_its_turn(after)
        else:
            self._do(
                lambda connection: breakers.mark_ready(connection, self.now, read=found, tenant="default")
            )

    @rule(owner=st.sampled_from(OWNERS))
    def a_proposal_closes(self, owner: str) -> None:
        self._do(lambda connection: breakers.release_probes(connection, owner, tenant="default"))
        after = self._now_is()
        assert after is None or after.probe_owner != owner

    @rule(minutes=st.none() | st.integers(1, 60))
    def a_person_opens_it(self, minutes: int | None) -> None:
        lasts = None if minutes is None else timedelta(minutes=minutes)
        self._do(
            lambda connection: breakers.open_by_hand(
                connection,
                self.id,
                actor=BEN,
                reason="maintenance",
                lasts=lasts,
                now=self.now,
                tenant="default",
            )
        )

    @rule()
    def a_person_closes_it(self) -> None:
        self._do(
            lambda connection: breakers.reset(
                connection, self.id, actor=BEN, reason="cured", tenant="default"
            )
        )
        after = self._now_is()
        assert after is None or after.state is BreakerState.CLOSED

    @invariant()
    def the_row_is_sound(self) -> None:
        found = self._now_is()
        if found is None:
            return
        assert (found.probe_owner is not None) is (found.state is BreakerState.HALF_OPEN)
        assert (found.opened_at is None) is (found.state is BreakerState.CLOSED)
        if found.read_first_until is not None:
            assert found.open_until is not None
            assert found.read_first_until == found.open_until + READ_WITHIN


def test_any_order_of_events_keeps_a_stored_breaker_sound(migrated_database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(migrated_database_url)

        class OnPostgres(StoredBreaker):
            pass

        OnPostgres.database, OnPostgres.runner = database, runner
        checks = list(HealthCheck)
        limits: Any = settings(
            max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=checks
        )
        try:
            run_state_machine_as_test(OnPostgres, settings=limits)
        finally:
            runner.run(database.close())


async def contend(url: str, breaker_id: str, prefix: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.adapters.store.breaker_contender",
        url,
        breaker_id,
        prefix,
        str(EACH),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode().split()


@pytest.mark.parametrize("breaker_id", ["model:stub-1", "kind:gke.node_pool.resize"])
async def test_of_two_processes_full_of_contenders_one_gets_the_probe(
    migrated_database_url: str, breaker_id: str
) -> None:
    database = Database(migrated_database_url)
    try:
        async with database.transaction() as connection:
            past = await database_now(connection) - timedelta(hours=1)
            for _ in range(LIMITS.failures):
                await count_outcome(connection, [breaker_id], False, "stockout", LIMITS, past)
        let = await asyncio.gather(*(contend(migrated_database_url, breaker_id, one) for one in ("a", "b")))
        async with database.reading() as connection:
            found = await breakers.find(connection, breaker_id)
    finally:
        await database.close()
    assert found is not None
    assert [owner for group in let for owner in group] == [found.probe_owner]
