"""How long does a backtest of 10,000 recorded proposals take? `make bench-backtest`.

Seeds the rows that first passes leave behind, on a PostgreSQL with durable settings, and serves them from an API in a
process of its own. Then runs `sluice policy backtest` as a person would, with a candidate of policies and a candidate
of the configuration, and times the whole command: its start, OPA's start, every page over a real socket, every
question to the policies, every guardrail, the report.

Accepted: 10,000 records in less than 60 s, all of them replayed.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import insert

from activities.guardrail.policy_input import policy_input
from adapters.configuration import parse
from adapters.opa.batch import OpaBatch
from adapters.opa.sources import POLICIES
from adapters.store.database import Database
from adapters.store.schema import evaluations, proposals
from benchmarks.postgres import OpenDatabase, fresh_database
from benchmarks.processes import served
from benchmarks.report import Bar, Chart, Result, Spread, arguments, conclude, exactly, timed_at_most, told
from contracts.errors import PolicyUnavailable
from contracts.proposal import ProposalState
from guardrails.backtest.candidate import Candidate
from guardrails.evaluate import evaluate
from guardrails.facts import Facts
from guardrails.recording import Record, dump
from local.candidate import candidate_policy
from settings import Settings
from tests.activities.guardrail.conftest import CONFIGURATION
from tests.adapters.store.samples import draft_of, fresh_proposal
from tests.api.serving import Api
from tests.contracts.samples import AGENT, ANA, observation, resize
from tests.guardrails.samples import facts
from tools.catalogue import OPA
from tools.programs import resolve

RECORDS = 10_000
BATCH = 500
ACCEPTED_SECONDS = 60.0
ROOT = Path(__file__).parent.parent
_SIZES = ((2, 2, 2), (4, 4, 4), (1, 2, 3), (6, 6, 6))


def recorded(place: int, live: Candidate) -> Record:
    """Return what a first pass would have known, without the policies' answer."""
    now = fresh_proposal().created_at
    by_agent = place % 4 == 0
    draft = draft_of(
        fresh_proposal(
            id=f"prp_{place:05}",
            action=resize(place % 14).model_copy(update={"node_pool": f"pool-{place % 50}"}),
            authors=(ANA, AGENT) if by_agent else (ANA,),
            confidence=(place % 10) / 10 if by_agent else None,
        )
    )
    seen = observation(*_SIZES[place % len(_SIZES)])
    judged: Facts = facts(draft=draft, observation=seen, now=now)
    document = policy_input(draft, target=judged.target, production=True, observation=seen, now=now)
    return live.facts(Record(facts=judged, policy_input=document))


async def seed(database: Database, engine: OpaBatch, count: int = RECORDS) -> None:
    """Write proposals and their first passes, as the live policies and limits judge them."""
    live = Candidate(parse(CONFIGURATION))
    for first in range(0, count, BATCH):
        records = [recorded(place, live) for place in range(first, min(first + BATCH, count))]
        answers = await engine.evaluate_many([one.policy_input or {} for one in records])
        rows = [_rows(record, answer) for record, answer in zip(records, answers, strict=True)]
        async with database.transaction() as connection:
            await connection.execute(insert(proposals), [proposal for proposal, _ in rows])
            await connection.execute(insert(evaluations), [evaluation for _, evaluation in rows])


def _rows(record: Record, answer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if isinstance(answer, PolicyUnavailable):
        raise answer
    known = replace(record, facts=replace(record.facts, policy=answer))
    draft, found = known.facts.draft, evaluate(known.facts)
    proposal = {
        "id": draft.id,
        "tenant": draft.tenant,
        "revision": 1,
        "state": ProposalState.CANCELLED.value,
        "draft": draft.model_dump(mode="json"),
        "target_key": draft.action.target.key,
        "action_kind": draft.action.kind,
        "environment": draft.environment,
        "team": draft.team,
        "requester": "local/ana",
        "priority": 3,
        "decide_by": draft.decide_by,
        "execute_by": draft.execute_by,
    }
    evaluation = {
        "proposal_id": draft.id,
        "revision": 1,
        "pass_number": 1,
        "outcome": found.outcome.value,
        "digest": found.digest,
        "document": found.model_dump(mode="json"),
        "result": {},
        "facts": json.loads(dump(known)),
    }
    return proposal, evaluation


@asynccontextmanager
async def operator(api: Api) -> AsyncIterator[str]:
    """Yield the token of an operator. Runs in the API's process."""
    yield api.tokens["olga"]


def candidate_in(folder: Path) -> tuple[Path, Path]:
    """Write smaller pools into a copy of the policies, and smaller limits into a copy of the configuration."""
    policies, declared = folder / "policies", folder / "sluice.yaml"
    shutil.copytree(POLICIES, policies)
    data = yaml.safe_load((policies / "data.yaml").read_text())
    data["sluice"]["limits"]["pool_maximum"] = {"default": 30, "environments": {"production": 30}}
    (policies / "data.yaml").write_text(yaml.safe_dump(data))
    declared.write_text(CONFIGURATION.replace("max_nodes_per_zone: 12", "max_nodes_per_zone: 9"))
    return policies, declared


async def backtest(address: str, token: str, policies: Path, declared: Path) -> tuple[float, dict[str, Any]]:
    """Run the command; return its seconds and its report."""
    command = ["-P", "-m", "cli.main", "policy", "backtest", "-o", "json"]
    given = ["--policies", str(policies), "--configuration", str(declared)]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SLUICE_URL": address,
        "SLUICE_TOKEN": token,
    }
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *given, env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    took = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"the backtest ended with {process.returncode}")
    report: dict[str, Any] = json.loads(output)
    return took, report


async def measure(
    count: int = RECORDS, database: OpenDatabase = fresh_database
) -> tuple[float, dict[str, Any]]:
    """Seed, serve, run."""
    opa = resolve(OPA, state_dir=Settings().state_dir).path
    async with database() as url:
        store = Database(url)
        async with candidate_policy(opa, POLICIES) as live:
            await seed(store, live.engine, count)
        await store.close()
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
            async with served(url, operator) as (address, token):
                return await backtest(address, token, *candidate_in(Path(folder)))


def said(report: dict[str, Any]) -> str:
    """Return what would change, and the processor time of everything that was started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [
        f"{one['before']:>18} -> {one['after']:<18} {one['count']:>6,}   {one['monthly_delta']}"
        for one in report["flips"]
    ]
    lines.append(f"processor time of all children: {used.ru_utime + used.ru_stime:.1f} s")
    return "\n".join(lines)


def main() -> int:
    """Run from the command line."""
    parser = arguments(__doc__, quick=f"{BATCH} records")
    given = parser.parse_args()
    count, began = BATCH if given.quick else RECORDS, time.monotonic()
    took, report = asyncio.run(measure(count))
    print(said(report))
    again = "python -m benchmarks.backtest" + (" --quick" if given.quick else "")
    return conclude(result(count, took, report, again, time.monotonic() - began), given)


def result(count: int, took: float, report: dict[str, Any], again: str, seconds: float) -> Result:
    """Return what is published."""
    flips = [
        Bar(f"{one['before']} → {one['after']}", Spread.of([float(one["count"])])) for one in report["flips"]
    ]
    whole = [Bar(f"{count:,} records", Spread.of([took]))]
    return Result(
        promise=f"How long does a backtest of {count:,} recorded proposals take?",
        figures=(
            timed_at_most("the whole command", took, ACCEPTED_SECONDS, " s"),
            told("records per second", f"{count / took:,.0f}"),
            exactly("records replayed", report["replayed"], count),
            told("verdicts that would change", len(report["flipped"])),
        ),
        again=again,
        seconds=seconds,
        charts=(
            Chart("seconds", "Time of a backtest, stay below", "s", whole, ACCEPTED_SECONDS),
            Chart("flips", "Verdicts that the candidate would change", "proposals", flips),
        ),
        notes=(
            "Timed once, as a person runs it: the command's start, OPA's start, every page over a socket, every "
            "policy, every guardrail, the report. The records are made up, of fifty pools.",
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
