"""Upgrades: what the release before this one left behind is taken over; `make proof-upgrade` needs no older release.

`tests/upgrade/previous` holds a database and the workflow histories that an older tree wrote while it ran
(`tests/upgrade/record.py` made them). The database is migrated and must say the same as before: every column, digest,
signature and audit leaf; the events must rebuild the tables. Every history, of open workflows too, must replay on the
workflows of today, and must not replay on ones with a planted change of order.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from adapters.audit.checkpoint import CheckpointKey, verify
from adapters.audit.merkle import leaf_hash, root_of
from adapters.keys import load_public_keys
from adapters.store.database import Database
from adapters.store.migrate import upgrade
from adapters.store.revision import is_current
from agents.port import agent_plugin
from benchmarks.postgres import running_postgres
from contracts.base import digest_of
from contracts.decision import SignedDecision
from contracts.evaluation import Evaluation
from contracts.messages import PROPOSAL_WORKFLOW, ProposalInput, Standing
from contracts.proposal import Proposal
from contracts.signature import is_signed_by
from proofs.judgement import log, money
from proofs.judgement.records import Records, read
from proofs.report import Report, arguments, at_least, conclude, exactly, say, told
from worker import workflow_runner
from workflows.fleet import FleetWorkflow
from workflows.housekeeping import HousekeepingWorkflow
from workflows.proposal import ProposalWorkflow
from workflows.refusals import RefusalRecorder
from workflows.request import RequestWorkflow

PREVIOUS = Path(__file__).resolve().parent.parent / "tests" / "upgrade" / "previous"
WORKFLOWS: tuple[type, ...] = (ProposalWorkflow, RequestWorkflow, FleetWorkflow, HousekeepingWorkflow)
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"


@workflow.defn(name=PROPOSAL_WORKFLOW, sandboxed=False)
class Reordered(ProposalWorkflow):
    """A change that nobody may make: another wait before the first stage."""

    @workflow.init
    def __init__(self, start: ProposalInput) -> None:
        """As its parent."""
        super().__init__(start)

    @workflow.run
    async def run(self, start: ProposalInput) -> Standing:
        """Wait first."""
        await workflow.sleep(1)
        return await super().run(start)


@dataclass(frozen=True)
class Migrated:
    """What came of the database."""

    rows: int
    faults: list[str]


async def migrate(url: str, previous: Path = PREVIOUS) -> Migrated:
    """Load the older database into the empty one at `url`, migrate it, and compare."""
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    try:
        await connection.execute((previous / "database.sql").read_text(encoding="utf-8"))
        await connection.execute("RESET ALL")
        before = await _everything(connection)
        await upgrade(url)
        await upgrade(url)
        after = await _everything(connection)
    finally:
        await connection.close()
    database = Database(url)
    try:
        current = await is_current(database)
        records = await read(database)
    finally:
        await database.close()
    found = [] if current else ["the migrated database is not current"]
    found += changed(before, after) + unreadable(records, previous) + log.rebuilt(records, records.events)
    return Migrated(sum(map(len, before.values())), found + money.faults(records, {}))


async def _everything(connection: asyncpg.Connection[Any]) -> Rows:
    tables = [row["tablename"] for row in await connection.fetch(_TABLES)]
    found = {}
    for name in tables:
        ask = f'SELECT * FROM public."{name}" t ORDER BY t::text'  # noqa: S608  names from the catalog
        found[name] = [dict(row) for row in await connection.fetch(ask)]
    return found


def changed(before: Rows, after: Rows) -> list[str]:
    """Return the tables whose rows do not say in their old columns what they said before."""
    found = []
    for name, rows in before.items():
        columns = rows[0].keys() if rows else ()
        kept = [[row.get(one, "gone") for one in columns] for row in after.get(name, ())]
        if sorted(map(repr, kept)) != sorted(repr(list(row.values())) for row in rows):
            found.append(f"the migration changed what {name} says")
    return found


def unreadable(records: Records, previous: Path = PREVIOUS) -> list[str]:
    """Return what code of today reads differently: digests, signatures, leaves, and the root under the checkpoint."""
    about = json.loads((previous / "about.json").read_text(encoding="utf-8"))
    keys = load_public_keys(previous / "decision.pub")
    found = [
        f"{row.id} has another digest"
        for row in records.proposals
        if row.document is not None and Proposal.model_validate(row.document).digest != row.digest
    ]
    found += [
        f"pass {row.pass_number} of {row.proposal_id} has another digest"
        for row in records.evaluations
        if digest_of(Evaluation.model_validate(row.document)) != row.digest
    ]
    found += [
        f"the signature of {row.id} does not hold"
        for row in records.decisions
        if not is_signed_by(SignedDecision.model_validate(row.document), keys)
    ]
    kept = verify(about["note"], [CheckpointKey.parse(about["verifier_key"])])
    leaves = [leaf_hash(event.leaf_bytes()) for event in records.events][: kept.size]
    return found + ([] if root_of(leaves) == kept.root else ["the audit events do not give the signed root"])


async def replay(*workflows: type, previous: Path = PREVIOUS) -> tuple[int, dict[str, str]]:
    """Replay the stored histories of these workflows. Return how many there are, and those that fail."""
    by_name = defaultdict(list)
    for path in sorted((previous / "histories").glob("*.json")):
        by_name[path.stem.partition("_")[0]].append(path)
    chosen = [path for one in workflows for path in by_name[_name_of(one)]]

    async def stored() -> AsyncIterator[WorkflowHistory]:
        for path in chosen:
            yield WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))

    with ThreadPoolExecutor(1) as one_thread:
        replayer = Replayer(
            workflows=workflows,
            plugins=[agent_plugin()],
            data_converter=pydantic_data_converter,
            workflow_runner=workflow_runner(),
            workflow_task_executor=one_thread,
            interceptors=[RefusalRecorder(_refuse_nothing)],
        )
        results = await replayer.replay_workflows(stored(), raise_on_replay_failure=False)
    return len(chosen), {run: str(error) for run, error in results.replay_failures.items()}


def _name_of(kind: type) -> str:
    return str(workflow._Definition.must_from_class(kind).name)  # noqa: SLF001  what a class registers as is told nowhere else


async def _refuse_nothing(refusal: object) -> None:
    raise AssertionError(f"replay recorded {refusal}")


async def prove() -> tuple[Migrated, tuple[int, dict[str, str]], tuple[int, dict[str, str]]]:
    """Migrate on a server of its own; replay; replay on the planted change."""
    async with running_postgres() as (server, _):
        migrated = await migrate(server.url())
    say(f"{migrated.rows} rows migrated")
    return migrated, await replay(*WORKFLOWS), await replay(Reordered)


def main() -> int:
    """Prove."""
    given = arguments(__doc__).parse_args()
    began = time.monotonic()
    migrated, (histories, failed), (proposals, found) = asyncio.run(prove())
    commit = json.loads((PREVIOUS / "about.json").read_text(encoding="utf-8"))["commit"]
    report = Report(
        promise="What the release before wrote is migrated without a loss and replays on this one (I6).",
        figures=(
            told("the release before", commit),
            at_least("rows migrated", migrated.rows, 1),
            at_least("histories that replay", histories - len(failed), histories or 1),
            exactly("histories in which a planted change of order is found", len(found), proposals or 1),
        ),
        faults=[*migrated.faults, *(f"{run} does not replay: {error}" for run, error in failed.items())],
        again="python -m proofs.upgrade",
        seconds=time.monotonic() - began,
    )
    return conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
