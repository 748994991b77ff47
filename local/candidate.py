"""A candidate policy in an OPA of its own, for as long as a backtest lasts. It serves nobody else and has no port."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from adapters.opa.batch import BATCH_FILE, BATCH_MODULE, OpaBatch
from adapters.opa.limits import check_limits
from adapters.opa.program import run_opa
from adapters.opa.sources import policy_names, snapshot_policies
from contracts.errors import ConfigurationInvalid, PolicyUnavailable
from local.bound import bound_command
from local.opa import server_command

_STARTS_WITHIN = 20.0
_POLL = 0.02
_PATIENCE = timedelta(seconds=60)
"""For one batch."""


@dataclass(frozen=True, slots=True)
class CandidatePolicy:
    """Policies that can be asked, and what they are."""

    engine: OpaBatch
    revision: str


@asynccontextmanager
async def candidate_policy(program: Path, source: Path) -> AsyncIterator[CandidatePolicy]:
    """Run OPA over the policies in `source`, after the checks that a bundle must pass too.

    Raises:
        ConfigurationInvalid: there are no policies, they do not compile, or their limits are not whole.
    """
    required = policy_names(source)
    if not required:
        raise ConfigurationInvalid(f"{source}: there is no <name>/policy.rego in it")
    check_limits(source)
    checked = await asyncio.to_thread(
        run_opa, program, ("check", "--strict", "--bundle", "."), directory=source
    )
    if checked.status != 0:
        raise ConfigurationInvalid(f"{source}: the policies do not compile\n{checked.complaint}")
    with tempfile.TemporaryDirectory(prefix="sluice-bt-") as folder:
        bundle, socket = Path(folder) / "bundle", Path(folder) / "s"
        revision = await asyncio.to_thread(snapshot_policies, bundle, source)
        (bundle / BATCH_FILE).write_text(BATCH_MODULE)
        process = subprocess.Popen(  # noqa: ASYNC220  it only starts here; everything after is waited for
            bound_command(server_command(program, policies=bundle, socket=socket)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        engine = OpaBatch(f"unix://{socket}", timeout=_PATIENCE, required=required)
        try:
            await _serving(process, engine)
            yield CandidatePolicy(engine, revision)
        finally:
            await engine.close()
            process.terminate()
            await asyncio.to_thread(process.wait)


async def _serving(process: subprocess.Popen[bytes], engine: OpaBatch) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _STARTS_WITHIN
    while True:
        try:
            return await engine.check()
        except PolicyUnavailable as error:
            if process.poll() is not None or loop.time() > deadline:
                raise ConfigurationInvalid("OPA does not start over the candidate's policies") from error
        await asyncio.sleep(_POLL)
