"""AUDIT of a busy stack: the export verifies without the stack, rebuilds its tables, and tells where it was touched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from adapters.audit.checkpoint import CheckpointKey
from adapters.audit.replay import events_of, replay
from adapters.audit.verify import FaultKind, Report, verify_export
from adapters.store import schema
from cli.exit_codes import ExitCode
from emulators.gke.faults import FaultKind as ProviderFault
from local.environment import ROOT, foreign_environment, module_command
from tests.e2e.practice_ground import CRITICAL, PRODUCTION
from tests.e2e.stack import Stack, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Exported:
    """The file, the key that signs checkpoints, and a checkpoint that was kept elsewhere before the busy run."""

    lines: list[bytes]
    key: CheckpointKey
    kept: str
    kept_size: int

    def verified(self, lines: list[bytes], *, anchored: bool = False) -> Report:
        return verify_export(lines, [self.key], self.kept if anchored else None)

    def entries(self) -> list[int]:
        """Indexes of the lines that are entries."""
        return [index for index, line in enumerate(self.lines) if line.startswith(b'{"leaf":')]


async def busy_run(stack: Stack) -> None:
    """One of each: succeeded, denied, rejected, approved by two, cancelled, stale, rolled back; and three chats."""
    ends: list[tuple[str, str]] = []
    ends.append((await stack.propose(stack.place().resize(2)), "succeeded"))
    ends.append((await stack.propose(stack.place().resize(2, "auto")), "denied"))
    broken = stack.place()
    await stack.admin.add_fault("SetNodePoolSize", ProviderFault.OPERATION_ERROR, cluster=broken.name)
    ends.append((await stack.propose(broken.resize(2)), "rolled_back"))
    changed = stack.place(PRODUCTION)
    waiting = {
        name: await stack.propose(place.resize(2))
        for name, place in {
            "rejected": stack.place(PRODUCTION),
            "cancelled": stack.place(PRODUCTION),
            "succeeded": stack.place(CRITICAL),
            "stale": changed,
        }.items()
    }
    for proposal_id in waiting.values():
        await stack.until(proposal_id, "awaiting_approval")
    await stack.decide(waiting["rejected"], "reject")
    await stack.people["requester"].post(f"/v1/proposals/{waiting['cancelled']}/cancel")
    await stack.approve(waiting["succeeded"])
    await stack.approve(waiting["succeeded"], by="approver2")
    await stack.admin.change_pool(changed.pool(), node_count=3)
    await stack.approve(waiting["stale"])
    ends += [(proposal_id, name) for name, proposal_id in waiting.items()]
    for text in ("help", "make it faster", f"scale web in {stack.place(PRODUCTION).name} to 2"):
        answer = await stack.people["requester"].post("/v1/requests", json={"text": text})
        assert answer.status_code == 202
    for proposal_id, state in ends:
        await stack.until(proposal_id, state)

    async def requests_are_over() -> bool:
        return not await stack.rows("select id from requests where closed_at is null")

    await eventually(requests_are_over)


async def at_rest(stack: Stack) -> None:
    moving = ("evaluating", "executing", "verifying", "rolling_back")

    async def nothing_moves() -> bool:
        return not await stack.rows(
            "select id from proposals where state = any(:moving)", moving=list(moving)
        )

    await eventually(nothing_moves)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def exported(stack: Stack) -> Exported:
    await stack.until(await stack.propose(stack.place().resize(2)), "succeeded")
    kept = (await stack.people["viewer"].get("/v1/audit/checkpoint")).json()
    await busy_run(stack)
    await at_rest(stack)
    raw = await stack.export()
    key = CheckpointKey.parse(kept["verifier_key"])
    return Exported(raw.splitlines(keepends=True), key, kept["note"], kept["size"])


async def sluice(empty: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command line with nothing of the stack around it."""
    process = await asyncio.create_subprocess_exec(
        *module_command("cli.main", *arguments, "-o", "json"),
        env={**foreign_environment(), "PYTHONPATH": str(ROOT), "SLUICE_STATE_DIR": str(empty)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(said)


async def test_the_whole_log_verifies_offline_and_contains_the_checkpoint_kept_before(
    exported: Exported, tmp_path: Path
) -> None:
    files = {name: tmp_path / name for name in ("export", "key", "kept")}
    files["export"].write_bytes(b"".join(exported.lines))
    files["key"].write_text(exported.key.encode())
    files["kept"].write_text(exported.kept)
    verify = ("audit", "verify", "--key", str(files["key"]), "--checkpoint", str(files["kept"]))
    code, said = await sluice(tmp_path / "state", *verify, "--file", str(files["export"]))
    assert (code, said["sound"], said["anchored"]) == (0, True, True)
    assert said["entries"] == said["proved_size"] == len(exported.entries()) > exported.kept_size

    files["export"].write_bytes(b"".join(exported.lines).replace(b"succeeded", b"succeedeD", 1))
    code, said = await sluice(tmp_path / "state", *verify, "--file", str(files["export"]))
    assert (code, said["sound"]) == (ExitCode.VERIFICATION, False)
    assert said["faults"][0]["kind"] == "flipped"


async def test_the_events_alone_rebuild_states_votes_and_ledger(stack: Stack, exported: Exported) -> None:
    state = replay(events_of(exported.lines))
    async with stack.database() as database, database.reading() as connection:
        made, votes, windows, asked = [
            (await connection.execute(select(table))).all()
            for table in (schema.proposals, schema.decisions, schema.budget_windows, schema.requests)
        ]
    assert {one.id: (one.state, one.revision, one.digest) for one in state.proposals.values()} == {
        row.id: (row.state, row.revision, row.digest) for row in made
    }
    assert {one.id: (one.proposal_id, one.reviewer, one.status) for one in state.votes.values()} == {
        row.id: (row.proposal_id, row.reviewer, row.status) for row in votes
    }
    # A window that was only ever looked at has a row, and nothing was posted to it.
    stored = {(row.tenant, row.scope, row.window): (row.reserved, row.committed) for row in windows}
    assert stored == dict.fromkeys(stored, (0, 0)) | {
        key: (one.reserved, one.committed) for key, one in state.balances.items()
    }
    assert {one.id: (one.status, one.answer) for one in state.requests.values()} == {
        row.id: (row.status, row.answer) for row in asked
    }
    assert {"succeeded", "denied", "rejected", "cancelled", "stale", "rolled_back"} <= {
        one.state for one in state.proposals.values()
    }


def flip(lines: list[bytes], index: int) -> list[bytes]:
    line, place = lines[index], len(lines[index]) // 2
    return [*lines[:index], line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :], *lines[index + 1 :]]


def drop(lines: list[bytes], index: int) -> list[bytes]:
    return [*lines[:index], *lines[index + 1 :]]


def swap(lines: list[bytes], index: int) -> list[bytes]:
    return [*lines[:index], lines[index + 1], lines[index], *lines[index + 2 :]]


def truncate(lines: list[bytes], index: int) -> list[bytes]:
    return lines[:index]


@pytest.mark.parametrize(
    ("touch", "kind"),
    [
        (flip, FaultKind.FLIPPED),
        (drop, FaultKind.MISSING),
        (swap, FaultKind.SWAPPED),
        (truncate, FaultKind.TRUNCATED),
    ],
)
async def test_what_was_touched_is_found_and_located(
    exported: Exported, touch: Callable[[list[bytes], int], list[bytes]], kind: FaultKind
) -> None:
    entries = exported.entries()
    # Two entries next to each other: between them no checkpoint stands.
    middle = next(
        index for index in entries[len(entries) // 2 :] if {index - 1, index, index + 1} <= set(entries)
    )
    report = exported.verified(touch(exported.lines, middle))
    assert not report.is_sound
    first = report.faults[0]
    assert (first.kind, first.line) == (kind, middle + 1)
    assert report.proved_size <= entries.index(middle)


async def test_a_log_cut_back_to_an_older_checkpoint_is_found_with_one_kept_elsewhere(
    stack: Stack, exported: Exported
) -> None:
    """A whole and signed file of an earlier hour: nothing in it is wrong, it only ends too soon."""
    await stack.until(await stack.propose(stack.place().resize(2)), "succeeded")
    newest = (await stack.people["viewer"].get("/v1/audit/checkpoint")).json()
    assert exported.verified(exported.lines).is_sound
    report = verify_export(exported.lines, [exported.key], newest["note"])
    assert not report.is_sound
    assert [fault.kind for fault in report.faults] == [FaultKind.TRUNCATED]
