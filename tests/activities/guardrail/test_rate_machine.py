"""Any sequence of admissions, over targets and agents, while time passes: the real store against a simple model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from contracts.base import utc_now
from contracts.configuration import RateLimit
from contracts.proposal import Proposal
from guardrails.rate.bucket import TOKEN, Bucket
from tests.activities.guardrail.conftest import Guards
from tests.activities.guardrail.test_rates import BY_AGENT, let_pass, limited
from tests.contracts.samples import ANA

T = TypeVar("T")

CAPACITY = {"target": 2, "agent": 3, "tenant": 4, "fleet": 5}
QUANTUM = timedelta(minutes=10)
"""In which every budget gains one token. What really passes meanwhile is far less."""


class Budgets(RuleBasedStateMachine):
    """The model: whole tokens per bucket. `guards` and `loop` are set by the test."""

    guards: Guards
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, int] = {}
        self.admitted: list[tuple[Proposal, int]] = []
        self.wait(self._clear())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _clear(self) -> None:
        async with self.guards.database.transaction() as connection:
            await connection.execute(text("truncate rate_uses, rate_buckets, leases"))
            await connection.execute(text("update proposals set state = 'cancelled', held_on = null"))

    @rule(cluster=st.integers(0, 2), by_agent=st.booleans())
    def ask(self, cluster: int, by_agent: bool) -> None:
        """Propose, check and try to admit a new change; it ends at once, admitted or not."""
        name = f"dev-{cluster}"
        proposal, has = self.wait(self._admit(name, by_agent))
        keys = self._keys(proposal, by_agent)
        expected = all(self.tokens.get(key, CAPACITY[key.partition(":")[0]]) > 0 for key in keys)
        assert has == expected
        if has:
            for key in keys:
                self.tokens[key] = self.tokens.get(key, CAPACITY[key.partition(":")[0]]) - 1
            self.admitted.append((proposal, 2))

    async def _admit(self, cluster: str, by_agent: bool) -> tuple[Proposal, bool]:
        authors = BY_AGENT if by_agent else {"authors": (ANA,)}
        proposal = await self.guards.propose_in_development(cluster=cluster, **authors)
        await self.guards.check(proposal)
        has = (await self.guards.admit(proposal)).admitted
        await self._end(proposal)
        return proposal, has

    async def _end(self, proposal: Proposal) -> None:
        async with self.guards.database.transaction() as connection:
            ended = "update proposals set state = 'failed', held_on = null where id = :id"
            await connection.execute(text(ended), {"id": proposal.id})
            await connection.execute(text("update leases set owner = null"))

    @rule()
    def admit_anew(self) -> None:
        """A proposal that was admitted before takes no second token."""
        if self.admitted:
            proposal, number = self.admitted.pop()
            assert self.wait(self._anew(proposal, number + 1))
            self.admitted.append((proposal, number + 1))

    async def _anew(self, proposal: Proposal, number: int) -> bool:
        async with self.guards.database.transaction() as connection:
            again = "update proposals set state = 'ready' where id = :id"
            await connection.execute(text(again), {"id": proposal.id})
        has = (await self.guards.admit(proposal, number)).admitted
        await self._end(proposal)
        return has

    @rule(quanta=st.integers(1, 3))
    def time_passes(self, quanta: int) -> None:
        self.wait(let_pass(self.guards, quanta * QUANTUM))
        for key, tokens in self.tokens.items():
            self.tokens[key] = min(tokens + quanta, CAPACITY[key.partition(":")[0]])

    @rule(back=st.timedeltas(timedelta(0), timedelta(hours=3)))
    def the_clock_goes_back_and_forth(self, back: timedelta) -> None:
        """While it is back, there is never a token more than there was."""
        self.wait(let_pass(self.guards, -back))
        for row in self.wait(self.guards.rows("rate_buckets")):
            limit = RateLimit(capacity=CAPACITY[row.key.partition(":")[0]], per_hour=6)
            assert Bucket(row.deficit, row.as_of).tokens(utc_now(), limit) <= self.tokens[row.key]
        self.wait(let_pass(self.guards, back))

    @invariant()
    def nothing_is_overdrawn(self) -> None:
        for row in self.wait(self.guards.rows("rate_buckets")):
            self.tokens.setdefault(row.key, CAPACITY[row.key.partition(":")[0]])
            capacity = CAPACITY[row.key.partition(":")[0]]
            assert 0 <= row.deficit <= capacity * TOKEN

    @staticmethod
    def _keys(proposal: Proposal, by_agent: bool) -> list[str]:
        keys = [f"target:{proposal.action.target.key}", "tenant:default", "fleet"]
        return [*keys, "agent:local/capacity-agent"] if by_agent else keys


async def test_every_sequence_of_admissions_keeps_every_budget_exactly(guards: Guards) -> None:
    sizes = {name: {"capacity": capacity, "per_hour": 6} for name, capacity in CAPACITY.items()}
    limited(guards, rates=sizes, repeats={"proposals": 1000})
    guards.configuration = guards.configuration.model_copy(update={"budgets": ()})
    Budgets.guards, Budgets.loop = guards, asyncio.get_running_loop()
    quiet = settings(
        max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    await asyncio.to_thread(run_state_machine_as_test, Budgets, settings=quiet)
