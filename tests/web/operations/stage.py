"""What the operations pages are shown: put into the database the way the worker does, without a worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import func, insert, text, update

from adapters.store import fleet, ledger
from adapters.store.database import database_now
from adapters.store.fleet import Look
from adapters.store.ledger import Amount
from adapters.store.schema import intents, ledger_entries, proposals
from contracts.action import NodePoolTarget
from contracts.configuration import BreakerLimits
from contracts.observation import Accelerator, AutoscalingBounds, NodePoolObservation, ZoneSize
from guardrails.budget.windows import window_at
from tests.api.serving import RESIZE
from tests.steps import count_outcome, reserve
from tests.web.site import Site

KIND = "kind:gke.node_pool.resize"
INFERENCE = "gke.node_pool/acme-prod/europe-west4/serving/inference"
TARGET = f"target:{INFERENCE}"


@dataclass
class Stage:
    """A site and what happens on it."""

    site: Site

    async def propose(self, node_pool: str, node_count: int = 4) -> str:
        """Make a proposal for one pool."""
        action = RESIZE | {"node_pool": node_pool, "node_count": node_count}
        return await self.site.api.propose(action=action)

    async def put(self, proposal_id: str, state: str, held_on: str | None = None) -> None:
        """Set a proposal's state without the way there."""
        async with self.site.api.database.transaction() as connection:
            await connection.execute(
                update(proposals).where(proposals.c.id == proposal_id).values(state=state, held_on=held_on)
            )

    async def call(self, proposal_id: str, seconds: float, **values: object) -> None:
        """Write an intent whose call may be in flight for so long."""
        async with self.site.api.database.transaction() as connection:
            await connection.execute(
                insert(intents).values(
                    key=f"{proposal_id}/1/forward",
                    proposal_id=proposal_id,
                    step="forward",
                    document={},
                    fence=1,
                    call_deadline=func.clock_timestamp() + timedelta(seconds=seconds),
                    **values,
                )
            )

    async def passes(self, proposal_id: str) -> None:
        """Let the deadline of that call be over."""
        async with self.site.api.database.transaction() as connection:
            over = update(intents).where(intents.c.proposal_id == proposal_id)
            await connection.execute(over.values(call_deadline=func.clock_timestamp()))

    async def fail(self, *breaker_ids: str, failures: int = 3, times: int = 3) -> None:
        """Let effects go wrong."""
        limits = BreakerLimits(failures=failures, cooldown=timedelta(minutes=5))
        for _ in range(times):
            async with self.site.api.database.transaction() as connection:
                now = await database_now(connection)
                await count_outcome(connection, breaker_ids, False, "GCE_STOCKOUT", limits, now)

    async def see(
        self,
        node_pool: str,
        *sizes: int,
        running: int | None = None,
        bounds: AutoscalingBounds | None = None,
        reason_code: str | None = None,
        gpu: bool = False,
    ) -> None:
        """Look at a pool."""
        target = NodePoolTarget(
            project="acme-prod", location="europe-west4", cluster="serving", node_pool=node_pool
        )
        async with self.site.api.database.transaction() as connection:
            now = await database_now(connection)
            seen = NodePoolObservation(
                taken_at=now - timedelta(seconds=20),
                status="RUNNING",
                machine_type="g2-standard-8" if gpu else "n2-standard-4",
                accelerators=(Accelerator(type="nvidia-l4", count=1),) if gpu else (),
                zones=tuple(
                    ZoneSize(
                        zone=f"europe-west4-{letter}",
                        instance_group=f"group-{letter}",
                        target_size=size,
                        running=size if running is None else running,
                        stable=running is None,
                    )
                    for letter, size in zip("abc", sizes, strict=False)
                ),
                autoscaling=bounds,
            )
            look = Look(
                target,
                "production",
                "inference",
                observation=seen if sizes else None,
                reason_code=reason_code,
            )
            await fleet.record(connection, "default", [look], now)

    async def spend(self, amount: str, hours_ago: int, *, reserved: bool = False) -> None:
        """Post to the one budget."""
        api = self.site.api
        budget = api.parts.configuration.budgets[0]
        proposal_id = await self.propose("web")
        async with api.database.transaction() as connection:
            now = await database_now(connection)
            window = window_at(budget, now)
            posted = Amount(budget.scope.key, window.key, "USD", Decimal(amount))
            await reserve(connection, "default", proposal_id, [posted])
            if not reserved:
                await ledger.commit_all(connection, proposal_id)
            # A stage is older than it is: the ledger takes nothing back.
            await connection.execute(text("alter table ledger_entries disable trigger no_update"))
            await connection.execute(
                update(ledger_entries)
                .where(ledger_entries.c.proposal_id == proposal_id)
                .values(created_at=max(now - timedelta(hours=hours_ago), window.starts_at))
            )
            await connection.execute(text("alter table ledger_entries enable trigger no_update"))
        await self.put(proposal_id, "ready" if reserved else "succeeded")


async def dress(site: Site) -> Stage:
    """Put a small fleet, a used budget and an open breaker on the stage."""
    stage = Stage(site)
    await stage.see("inference", 2, 2, 2, gpu=True)
    await stage.see("web", 10, 11, 10)
    await stage.see("batch", 5, 5, 5, running=4, bounds=AutoscalingBounds(min_node_count=0, max_node_count=5))
    await stage.see("night-jobs", 1, 1, 1)
    await stage.see("night-jobs", reason_code="provider_unavailable")
    await stage.see("retired", reason_code="target_not_found")
    for amount, hours_ago in (("4200", 400), ("3100.40", 250), ("2750", 120), ("1964.87", 30)):
        await stage.spend(amount, hours_ago)
    await stage.spend("812.50", 1, reserved=True)
    return stage
