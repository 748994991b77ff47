"""Guard passes over real PostgreSQL, real OPA and the real emulator, with a provider that can be made to fail."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from activities.guardrail.activities import GuardActivities
from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.prices.price_table import PriceTable
from adapters.store import proposals
from adapters.store.database import Database, forbid_in_transaction
from adapters.store.schema import metadata
from contracts.action import NodePoolTarget
from contracts.configuration import Configuration
from contracts.evaluation import Evaluation
from contracts.messages import PassInput, PassResult
from contracts.observation import NodePoolObservation, ProviderOperation
from contracts.ports import PolicyEngine, PriceList
from contracts.proposal import Proposal
from tests.adapters.store.samples import draft_of, fresh_proposal
from tests.contracts.samples import observation
from tests.killable_postgres import KillablePostgres
from tests.opa_fixtures import opa_url, policy_engine

__all__ = ["opa_url", "policy_engine"]

CONFIGURATION = """
environments:
  production: {approval: {quorum: 1}}
  development: {approval: {quorum: 0}}
targets:
  - {kind: gke.node_pool, project: acme-prod, location: europe-west4, cluster: serving, node_pool: "*",
     environment: production, team: inference, max_nodes_per_zone: 12}
  - {kind: gke.node_pool, project: acme-dev, location: us-central1, cluster: "*", node_pool: "*",
     environment: development, team: research, max_nodes_per_zone: 8}
budgets:
  - {scope: {environment: production}, window: month, limit: "40000", time_zone: Europe/Berlin}
  - {scope: {environment: development}, window: month, limit: "40000", time_zone: Europe/Berlin}
  - {scope: {}, window: day, limit: "5000"}
limits: {cooldown: 0s, max_share: 1.0, effects_per_hour: 30}
"""


@dataclass
class Provider:
    """A provider's viewer that says what a test tells it to."""

    answer: NodePoolObservation = field(default_factory=observation)
    failure: Exception | None = None
    asked: int = 0

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        forbid_in_transaction()
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.answer

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        return []

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        return []

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        raise LookupError(name)


@dataclass
class Guards:
    """The activities, as a worker would run them, and what they leave behind."""

    database: Database
    provider: Provider
    policy: PolicyEngine
    configuration: Configuration = field(default_factory=lambda: parse(CONFIGURATION))
    mode: str = "practice"
    prices: PriceList = field(default_factory=PriceTable.load)
    shadow: PolicyEngine | None = None

    def activities(self) -> GuardActivities:
        return GuardActivities(
            self.database,
            self.provider,
            self.policy,
            self.prices,
            self.configuration,
            self.mode,
            shadow=self.shadow,
        )

    async def propose(self, **changes: object) -> Proposal:
        made = fresh_proposal(**changes)
        async with self.database.transaction() as connection:
            await proposals.create(connection, draft_of(made))
        return made

    async def propose_in_development(self, **changes: object) -> Proposal:
        action = fresh_proposal().action.model_copy(
            update={"project": "acme-dev", "location": "us-central1", "cluster": "dev"}
            | {name: changes.pop(name) for name in ("cluster", "node_pool", "node_count") if name in changes}
        )
        return await self.propose(
            **({"action": action, "environment": "development", "team": "research"} | changes)
        )

    async def check(self, proposal: Proposal, *, attempt: int = 1) -> PassResult:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=attempt)
        given = PassInput(proposal_id=proposal.id, revision=proposal.revision, pass_number=1)
        result: PassResult = await environment.run(self.activities().check_proposal, given)
        return result

    async def admit(self, proposal: Proposal, number: int = 2) -> PassResult:
        given = PassInput(proposal_id=proposal.id, revision=proposal.revision, pass_number=number)
        result: PassResult = await ActivityEnvironment().run(self.activities().admit_proposal, given)
        return result

    async def rows(self, table: str, **where: object) -> list[Any]:
        columns = metadata.tables[table]
        async with self.database.reading() as connection:
            found = await connection.execute(
                select(columns).where(*[columns.c[name] == value for name, value in where.items()])
            )
            return list(found.all())

    async def row(self, proposal: Proposal) -> Any:
        (found,) = await self.rows("proposals", id=proposal.id)
        return found

    async def evaluation(self, proposal: Proposal, number: int = 1) -> Evaluation:
        (found,) = await self.rows("evaluations", proposal_id=proposal.id, pass_number=number)
        return Evaluation.model_validate(found.document)


@pytest.fixture
async def guards(migrated_database_url: str, policy_engine: OpaPolicyEngine) -> AsyncIterator[Guards]:
    opened = Database(migrated_database_url)
    yield Guards(opened, Provider(), policy_engine)
    await opened.close()


@pytest.fixture
def killable_postgres() -> Iterator[KillablePostgres]:
    with KillablePostgres.started() as server:
        yield server
