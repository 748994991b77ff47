"""Writes down what an older release leaves behind: run by hand, `python -m tests.upgrade.record COMMIT`.

The tree of that commit runs a whole stack, lives through one of each kind of proposal and request, and is stopped while
some wait. Kept are its database as plain SQL, the histories of its workflows, its public keys and a signed checkpoint.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEPT = HERE / "previous"
_INSIDE = "SLUICE_UPGRADE_RECORDS"


def anonymous(value: Any) -> Any:
    """Leave out stack traces and who ran it: they name paths and the machine that recorded."""
    if isinstance(value, dict):
        return {
            key: "recorded" if key == "identity" else anonymous(inner)
            for key, inner in value.items()
            if key != "stackTrace"
        }
    return [anonymous(inner) for inner in value] if isinstance(value, list) else value


def outside(commit: str) -> None:
    """Unpack the tree of a commit and run this very file with it."""
    root = HERE.parent.parent
    packed = subprocess.run(["git", "archive", commit], cwd=root, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="sluice-older-") as directory:
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(directory, filter="data")
        environment = os.environ | {"PYTHONPATH": directory, _INSIDE: directory}
        subprocess.run([sys.executable, "-P", __file__, commit], cwd=directory, env=environment, check=True)


async def inside(commit: str) -> None:
    """Live, with the older tree's own modules, and write down what is left."""
    stacks, ground, lives = (
        importlib.import_module(f"tests.e2e.{name}") for name in ("stack", "practice_ground", "test_audit")
    )
    settings, programs, catalogue = (
        importlib.import_module(name) for name in ("settings", "tools.programs", "tools.catalogue")
    )
    chosen = settings.Settings()
    found = [
        programs.resolve(one, state_dir=chosen.state_dir, explicit=None).path
        for one in (catalogue.TEMPORAL, catalogue.OPA)
    ]
    directory = Path(tempfile.mkdtemp(prefix="sluice-older-"))
    async with stacks.running_stack(directory, stacks.Programs(*found), ground.Ground(12)) as stack:
        await lives.busy_run(stack)
        await _leave_open(stack, ground)
        told = (await stack.people["viewer"].get("/v1/audit/checkpoint")).json()
        shutil.rmtree(KEPT, ignore_errors=True)
        (KEPT / "histories").mkdir(parents=True)
        await _histories(stack)
        (KEPT / "database.sql").write_bytes(_dump(stack))
        (KEPT / "decision.pub").write_bytes((stack.state_dir / "keys" / "decision.pub").read_bytes())
        about = {"commit": commit, "verifier_key": told["verifier_key"], "note": told["note"]}
        (KEPT / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    shutil.rmtree(directory, ignore_errors=True)


async def _leave_open(stack: Any, ground: Any) -> None:
    """Proposals that the newer release finds: waiting, held by a halt, half approved, dirty."""
    await stack.until(await stack.propose(stack.place(ground.PRODUCTION).resize(2)), "awaiting_approval")
    half = await stack.propose(stack.place(ground.CRITICAL).resize(2))
    await stack.approve(half)
    broken = stack.place()
    for _ in range(2):
        await stack.admin.add_fault("SetNodePoolSize", "operation_error", cluster=broken.name)
    await stack.until(await stack.propose(broken.resize(2)), "dirty")
    held = await stack.propose(stack.place(ground.STAGING).resize(2))
    await stack.until(held, "awaiting_approval")
    body = {"scope": {"environment": "staging"}, "reason": "freeze"}
    (await stack.people["operator"].post("/v1/halts", json=body)).raise_for_status()
    await stack.approve(held)
    await asyncio.sleep(3)


async def _histories(stack: Any) -> None:
    client = await stack.temporal()
    async for one in client.list_workflows():
        history = await client.get_workflow_handle(one.id, run_id=one.run_id).fetch_history()
        told = json.dumps(anonymous(history.to_json_dict()), separators=(",", ":"), sort_keys=True)
        # Queues of one worker are named after its machine.
        told = re.sub(r'"[\w-]+@[\w-]+"', '"sticky"', told)
        name = re.sub(r"\W+", "_", f"{one.workflow_type} {one.id}")
        (KEPT / "histories" / f"{name}.json").write_text(told + "\n")


def _dump(stack: Any) -> bytes:
    postgres = importlib.import_module("local.postgres")
    server = postgres.server_in(stack.state_dir / "postgres")
    command = [str(server.binaries / "pg_dump"), "-h", str(server.sockets), "-U", postgres.SUPERUSER]
    command += ["--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=100", "sluice"]
    dumped = subprocess.run(command, check=True, capture_output=True).stdout
    # Each dump has a key of its own for psql; the session's settings of a newer server are not known to an older one.
    lines = [
        line
        for line in dumped.splitlines(keepends=True)
        if not line.startswith((b"\\", b"SET transaction_timeout"))
    ]
    return b"".join(lines)


def main() -> None:
    """Run as the one or the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    commit = parser.parse_args().commit
    if os.environ.get(_INSIDE):
        asyncio.run(inside(commit))
    else:
        outside(commit)


if __name__ == "__main__":
    main()
