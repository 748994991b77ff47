from __future__ import annotations

from activities.guardrail.fleet_size import COUNT_EVERY, FleetSize
from activities.guardrail.gathering import Gathering
from activities.guardrail.policy_input import Surroundings, policy_input, region_of
from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.prices.price_table import PriceTable
from contracts.action import NodePoolTarget
from contracts.errors import ProviderUnavailable
from contracts.observation import BootDisk
from contracts.ports import BlockedBudget, PoolLoad
from tests.activities.guardrail.conftest import CONFIGURATION, Provider
from tests.contracts.samples import NOON, observation, proposal, resize
from tests.guardrails.samples import PRICE, TARGET, draft

LOAD = PoolLoad(
    ready_nodes=6,
    requested_cpu=7_000,
    requested_memory=10,
    cpu_per_node=2_000,
    memory_per_node=100,
    blocked_budgets=(BlockedBudget(name="search/front", pods=2),),
)


class Kubernetes:
    """A reader of load that counts how often it is asked."""

    def __init__(self, answer: PoolLoad | None = LOAD, *, fails: bool = False) -> None:
        self.answer, self.fails, self.asked = answer, fails, 0

    async def read_load(self, target: NodePoolTarget) -> PoolLoad | None:
        self.asked += 1
        if self.fails:
            raise ProviderUnavailable("no answer")
        return self.answer


def test_it_tells_what_the_pool_is_and_what_surrounds_it() -> None:
    disk = BootDisk(type="pd-ssd", size_gb=200, kms_key="projects/k")
    seen = observation().model_copy(update={"resource_labels": {"service": "search"}, "boot_disk": disk})
    sent = policy_input(
        draft(),
        target=TARGET,
        production=True,
        observation=seen,
        now=NOON,
        around=Surroundings(price=PRICE, load=LOAD, fleet_nodes=80),
    )
    assert sent["region"] == "europe-west4"
    assert sent["cost"] == {"currency": "USD", "monthly_delta": 3942.0}
    assert sent["fleet"] == {"nodes": 80}
    assert sent["load"] == {
        "ready_nodes": 6,
        "least_nodes": 4,
        "blocked_budgets": [{"name": "search/front", "pods": 2}],
    }
    seen_as = sent["observation"]
    assert isinstance(seen_as, dict)
    assert seen_as["boot_disk"] == {"type": "pd-ssd", "size_gb": 200, "kms_key": "projects/k"}
    assert seen_as["resource_labels"] == {"service": "search"}


def test_what_is_not_known_is_null() -> None:
    sent = policy_input(draft(), target=None, production=True, observation=observation(), now=NOON)
    assert (sent["target"], sent["cost"], sent["load"], sent["fleet"]) == (None, None, None, {"nodes": None})


def test_no_words_of_people_or_agents_are_sent() -> None:
    spoken = draft(reason="CANARY", evidence=("CANARY",))
    sent = policy_input(spoken, target=TARGET, production=True, observation=observation(), now=NOON)
    assert "CANARY" not in str(sent)


def test_the_region_of_a_zone_is_that_of_its_region() -> None:
    assert region_of("europe-west4-a") == region_of("europe-west4") == "europe-west4"


def test_the_fleet_is_counted_now_and_then_and_its_tenants_apart() -> None:
    now = 0.0
    size = FleetSize(clock=lambda: now)
    assert size.is_due()
    assert size.of("default") is None
    size.take("default", 80)
    now = COUNT_EVERY - 1
    assert not size.is_due()
    assert (size.of("default"), size.of("other")) == (80, None)
    now = COUNT_EVERY
    assert size.is_due()
    size.take("default", None)
    assert size.of("default") is None


async def test_the_load_is_read_only_for_what_shrinks(policy_engine: OpaPolicyEngine) -> None:
    kubernetes = Kubernetes()
    gathering = Gathering(
        Provider(), policy_engine, PriceTable.load(), parse(CONFIGURATION), load=kubernetes, fleet_nodes=80
    )
    grown = await gathering.again(proposal(action=resize(3)), NOON)
    assert (kubernetes.asked, grown.policy_input["load"]) == (0, None)
    assert grown.policy_input["fleet"] == {"nodes": 80}
    shrunk = await gathering.again(proposal(action=resize(1)), NOON)
    assert kubernetes.asked == 1
    assert shrunk.policy is not None
    assert {violation.rule for violation in shrunk.policy.violations} == {
        "shrink_below_load",
        "disruption_budget",
    }


async def test_a_load_that_cannot_be_read_is_unknown(policy_engine: OpaPolicyEngine) -> None:
    gathering = Gathering(
        Provider(), policy_engine, PriceTable.load(), parse(CONFIGURATION), load=Kubernetes(fails=True)
    )
    shrunk = await gathering.again(proposal(action=resize(1)), NOON)
    assert shrunk.policy_input["load"] is None
