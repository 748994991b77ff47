"""A guarded place: windows, soft limits, budgets of models, breakers of every scope, break-glass in every status."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import update

from adapters.store import breakers, requests
from adapters.store.batch import Batch
from adapters.store.database import database_now
from adapters.store.ledger import costs
from adapters.store.schema import breakers as breaker_rows
from contracts.action_cost import ActionCost
from contracts.configuration import Budget, DeclaredAgent
from contracts.holds import on_window
from contracts.request import AgentStep, RequestStatus
from tests.adapters.store.samples import stored_request
from tests.api.safety.test_exceptions import WINDOWS, window
from tests.api.serving import CONFIGURATION
from tests.web.operations.granting import let_through, opened
from tests.web.operations.stage import TARGET, Stage, dress
from tests.web.proposal.stages import person
from tests.web.site import Site

AGENT = "agent:sluice/capacity-agent"
_BUDGETS = (
    {
        "scope": {"environment": "production"},
        "window": "month",
        "limit": "40000",
        "soft_limit": "9000",
        "time_zone": "Europe/Berlin",
    },
    {"kind": "model", "scope": {}, "window": "month", "limit": "500"},
)


def with_guards() -> dict[str, Any]:
    """Return what the API is made of: a configuration that uses all of it."""
    declared = {
        "windows": (*WINDOWS, window("nights", "allow", 3, scope={"environment": "production"})),
        "budgets": tuple(Budget.model_validate(one) for one in _BUDGETS),
        "agents": {"sluice/capacity-agent": DeclaredAgent(owner="ml-platform")},
    }
    return {"configuration": CONFIGURATION.model_copy(update=declared)}


async def guarded(site: Site) -> dict[str, str]:
    """Fill the place."""
    stage = await dress(site)
    await stage.put(await stage.propose("inference", 3), "ready", on_window("year-end"))
    await _break(stage)
    await _price(stage)
    reviewed = await opened(site, ("confirm", "ben"), ("end", "ben"), ("review", "cleo"))
    lapsed = await opened(site, ("end", "olga"), scope={"everything": True})
    due = await opened(site, ("confirm", "ben"), ("end", "olga"), gates=["change_window", "rate"])
    active = await opened(site, ("confirm", "ben"), gates=["change_window", "circuit_breaker", "budget"])
    waiting = await opened(site, scope={"target": "gke.node_pool/acme-prod/europe-west4/serving/*"})
    for grant in (active, due):
        await let_through(site, grant, await stage.propose("web", 6))
    made = {"reviewed": reviewed, "lapsed": lapsed, "due": due, "active": active, "waiting": waiting}
    return made | {"target": TARGET, "agent": AGENT}


async def _break(stage: Stage) -> None:
    """Open breakers: one by hand, one by its failures whose read is due."""
    await stage.fail(TARGET)
    async with stage.site.api.database.transaction() as connection:
        now = await database_now(connection)
        for breaker_id, lasts in ((AGENT, None), ("provider:gke", timedelta(hours=4)), ("model:m-1", None)):
            await breakers.open_by_hand(
                connection,
                breaker_id,
                actor=person("olga"),
                reason="It proposes the same again and again.",
                lasts=lasts,
                now=now,
                tenant=stage.site.api.parts.tenant,
            )
        await connection.execute(
            update(breaker_rows).where(breaker_rows.c.id == TARGET).values(open_until=now)
        )


async def _price(stage: Stage) -> None:
    """Let a change cost more than was estimated, and a model be asked."""
    request = await stored_request(stage.site.api.database)
    proposal_id = await stage.propose("web", 5)
    async with stage.site.api.database.transaction() as connection:
        steps = (AgentStep(kind="model", name="m-1", cost_usd="1.25"),)
        await requests.close(connection, request.id, RequestStatus.ANSWERED, "done", None, steps)
        cost = ActionCost(
            proposal_id=proposal_id,
            tenant=stage.site.api.parts.tenant,
            scopes=("environment=production",),
            currency="USD",
            price_per_node_hour=Decimal("0.5"),
            price_source="list price",
            price_as_of=date(2026, 11, 1),
            estimated_nodes=25,
            verified_nodes=26,
            estimated_hourly=Decimal("12.5"),
            verified_hourly=Decimal(13),
            estimated_monthly=Decimal(9125),
            verified_monthly=Decimal(9490),
            at=await database_now(connection),
        )
        batch = Batch()
        costs.add_record(batch, cost)
        await batch.send(connection)
