"""A backtest says what the gates would have said: the same proposals, for real, under old rules and new ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.configuration import parse
from adapters.opa.sources import POLICIES
from adapters.store import records
from adapters.store.database import Database
from adapters.store.records import RecordFilters
from contracts.action import ResizeNodePool
from contracts.configuration import Configuration
from contracts.errors import ConfigurationInvalid
from contracts.evaluation import Evaluation
from contracts.observation import NodePoolObservation
from contracts.proposal import Planner, PlannerKind, Proposal
from contracts.request import Trust
from guardrails.backtest.candidate import Candidate
from guardrails.backtest.replay import deciding
from guardrails.backtest.report import Report
from local.backtest import Backtest
from local.candidate import candidate_policy
from tests.activities.guardrail.conftest import CONFIGURATION, Guards, Provider, guards
from tests.contracts.samples import AGENT, ANA, observation
from tests.opa_fixtures import opa_url, policy_engine

__all__ = ["guards", "opa_url", "policy_engine"]

ROOMY = CONFIGURATION.replace('"40000"', '"90000000"').replace('"5000"', '"90000000"')
"""Budgets that no proposal fills: what one decision takes from the next is no part of a backtest."""


def stricter_policies(folder: Path) -> Path:
    """Smaller pools, a rule of its own that asks for people, and one of the shipped ones gone."""
    source = folder / "policies"
    shutil.copytree(POLICIES, source)
    shutil.rmtree(source / "shrink_to_zero_in_production")
    data = yaml.safe_load((source / "data.yaml").read_text())
    data["sluice"]["limits"]["pool_maximum"] = {
        "default": 10,
        "environments": {"production": 20, "development": 9},
    }
    (source / "data.yaml").write_text(yaml.safe_dump(data))
    (source / "even_sizes").mkdir()
    (source / "even_sizes" / "policy.rego").write_text(
        """package sluice.policies.even_sizes

evaluated := true

violations contains {"rule": "even_sizes", "level": "soft", "message": "An odd size."} if {
	input.action.node_count % 2 == 1
}
"""
    )
    return source


def stricter_configuration() -> Configuration:
    text = ROOMY.replace("max_nodes_per_zone: 8", "max_nodes_per_zone: 5").replace(
        "max_share: 1.0", "max_share: 0.4"
    )
    text = text.replace(
        "development: {approval: {quorum: 0}}", "development: {approval: {quorum: 0}, production: true}"
    )
    text = text.replace("production: {approval: {quorum: 1}}", "production: {approval: {quorum: 2}}")
    return parse(
        text + 'approval: {min_confidence: 0.8, max_monthly_delta: "2000", untrusted_needs_person: true}\n'
    )


def seen_of(index: int) -> NodePoolObservation:
    machine = ("g2-standard-8", "e2-standard-4", "a3-highgpu-8g")[index % 3]
    sizes = ((2, 2, 2), (4, 4, 4), (1, 2, 3), (0, 0, 0))[index % 4]
    return observation(*sizes).model_copy(update={"machine_type": machine})


async def propose(on: Guards, index: int, count: int) -> Proposal:
    by_agent = index % 5 == 0
    changes: dict[str, Any] = {
        "id": f"prp_{index}",
        "authors": (ANA, AGENT) if by_agent else (ANA,),
        "confidence": (index % 10) / 10 if by_agent else None,
        "trust": Trust.UNTRUSTED if index % 7 == 0 else Trust.TRUSTED,
        "planner": Planner(kind=PlannerKind.RULES if by_agent else PlannerKind.DIRECT),
    }
    node_pool = f"pool-{index}"
    if index % 2:
        return await on.propose_in_development(node_pool=node_pool, node_count=count, **changes)
    action = ResizeNodePool(
        project="acme-prod", location="europe-west4", cluster="serving", node_pool=node_pool, node_count=count
    )
    return await on.propose(action=action, **changes)


async def run(on: Guards, number: int) -> dict[str, Evaluation]:
    """Pass one for real, over `number` varied proposals."""
    found = {}
    for index in range(number):
        on.provider.answer = seen_of(index)
        proposal = await propose(on, index, count=(index * 5) % 16)
        await on.check(proposal)
        found[proposal.id] = await on.evaluation(proposal)
    return found


async def lines_of(database: Database) -> list[bytes]:
    async with database.reading() as connection:
        rows = await records.first_passes(connection, "default", RecordFilters(), after=None, limit=1_000)
    return [row.line.encode() for row in rows]


@pytest.fixture
async def others(other_database_url: str, guards: Guards) -> AsyncIterator[Guards]:
    """The same gates on a database of its own: what the first did is unknown here."""
    opened = Database(other_database_url)
    yield Guards(opened, Provider(), guards.policy, parse(ROOMY))
    await opened.close()


def compared(before: dict[str, Evaluation], after: dict[str, Evaluation]) -> dict[str, Any]:
    return {
        name: (before[name].outcome, after[name].outcome, deciding(after[name]))
        for name in before
        if before[name].outcome is not after[name].outcome
    }


def flips_of(report: Report) -> dict[str, Any]:
    return {
        one.past.proposal_id: (one.before.outcome, one.after.outcome, deciding(one.after))
        for one in report.flipped
    }


@pytest.mark.parametrize("changed", ["policies", "configuration", "both"])
async def test_the_flips_of_a_backtest_are_those_of_the_gates_for_real(
    guards: Guards, others: Guards, opa_binary: Path, tmp_path: Path, changed: str
) -> None:
    number = 32
    guards.configuration = parse(ROOMY)
    before = await run(guards, number)
    if changed != "policies":
        others.configuration = stricter_configuration()
    source = stricter_policies(tmp_path) if changed != "configuration" else POLICIES
    async with candidate_policy(opa_binary, source) as candidate:
        others.policy = candidate.engine
        after = await run(others, number)
        running = Backtest(
            Candidate(others.configuration) if changed != "policies" else None, candidate.engine
        )
        await running.replay(await lines_of(guards.database))
    real = compared(before, after)
    assert len(real) >= 4
    assert flips_of(running.report) == real
    assert running.report.unreplayed == []
    assert running.report.replayed == number
    again = {one.past.proposal_id: one for one in running.report.flipped + running.report.changed}
    for name, one in again.items():
        assert one.after.requirement == after[name].requirement
        assert deciding(one.after) == deciding(after[name])
        assert one.after.configuration_revision == after[name].configuration_revision
    moved = {name for name in after if before[name].requirement != after[name].requirement}
    assert moved <= set(again)


async def test_the_same_rules_flip_nothing(guards: Guards, opa_binary: Path) -> None:
    guards.configuration = parse(ROOMY)
    await run(guards, 12)
    async with candidate_policy(opa_binary, POLICIES) as candidate:
        running = Backtest(Candidate(guards.configuration), candidate.engine)
        await running.replay(await lines_of(guards.database))
    assert running.report.replayed == 12
    assert (running.report.flipped, running.report.changed, running.report.unreplayed) == ([], [], [])


async def test_without_policies_their_recorded_answer_counts_where_the_question_is_the_same(
    guards: Guards,
) -> None:
    guards.configuration = parse(ROOMY)
    await run(guards, 6)
    candidate = parse(ROOMY.replace("max_share: 1.0", "max_share: 0.0"))
    running = Backtest(Candidate(candidate))
    await running.replay(await lines_of(guards.database))
    assert running.report.replayed == 6
    assert running.report.flipped or running.report.changed
    renamed = parse(ROOMY.replace("max_nodes_per_zone: 8", "max_nodes_per_zone: 7"))
    running = Backtest(Candidate(renamed))
    await running.replay(await lines_of(guards.database))
    assert running.report.replayed == 3
    assert set(running.report.reasons()) == {
        "the candidate changes what the policies are asked: name the policies too"
    }


async def test_a_dry_run_is_left_out_and_counted(guards: Guards) -> None:
    await guards.check(await guards.propose(dry_run=True))
    running = Backtest(Candidate(guards.configuration))
    await running.replay(await lines_of(guards.database))
    assert (running.report.dry_runs, running.report.replayed, running.report.total) == (1, 0, 1)


async def changed_line(guards: Guards, change: Any) -> bytes:
    await guards.check(await guards.propose())
    (line,) = await lines_of(guards.database)
    content = json.loads(line)
    change(content)
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda line: line.update(record=None), "no facts were recorded, or they were pruned"),
        (lambda line: line["evaluation"].update(new_field=1), "this version cannot read the evaluation"),
        (
            lambda line: line["record"]["facts"].update(new=1),
            "this version does not know the recorded fact facts.new",
        ),
        (lambda line: line["record"].pop("facts"), "the record does not hold the facts that guardrails read"),
        (
            lambda line: line["evaluation"].update(outcome="allow"),
            "the guardrails themselves have changed since: they judge the same facts otherwise",
        ),
        (lambda line: line.pop("revision"), "the line is not a record"),
    ],
    ids=["no facts", "newer evaluation", "newer facts", "broken facts", "another judgement", "no record"],
)
async def test_a_line_that_cannot_be_replayed_is_named_with_its_reason(
    guards: Guards, change: Any, reason: str
) -> None:
    line = await changed_line(guards, change)
    running = Backtest(Candidate(guards.configuration))
    await running.replay([line, b"no JSON"])
    assert {one.reason for one in running.report.unreplayed} == {reason, "the line is not a record"}
    assert len(running.report.unreplayed) == 2
    assert running.report.replayed == 0


async def test_policies_that_do_not_compile_are_refused(opa_binary: Path, tmp_path: Path) -> None:
    source = stricter_policies(tmp_path)
    (source / "even_sizes" / "policy.rego").write_text(
        "package sluice.policies.even_sizes\n\nviolations if {"
    )
    with pytest.raises(ConfigurationInvalid, match="do not compile"):
        async with candidate_policy(opa_binary, source):
            pass


async def test_a_directory_without_policies_is_refused(opa_binary: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"no <name>/policy\.rego"):
        async with candidate_policy(opa_binary, tmp_path):
            pass
