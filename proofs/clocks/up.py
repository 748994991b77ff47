"""`sluice up` whose parts go by the clocks of a proof, and come back at once when they die.

What it starts are the product's own commands, each in an environment that preloads libfaketime.
"""

from __future__ import annotations

import os
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

from cli.main import app
from local.bound import bound_command
from local.part import RestartPolicy
from local.supervisor import Supervisor
from proofs.clocks.faketime import Clocks
from proofs.kills.up import at_once

DIRECTORY = "PROOF_CLOCKS"
"""Names the directory of the clocks."""
_OURS, _WRAPPED = "cli.main", "proofs.clocks.part"
_BINDING = len(bound_command([]))
_spawn = Supervisor._spawn  # noqa: SLF001  the one place where every part is started


async def _with_a_clock(
    supervisor: Supervisor, name: str, command: list[str], environment: Mapping[str, str]
) -> Process:
    clock = Clocks(Path(os.environ[DIRECTORY])).environment(name)
    if clock:
        command = [_WRAPPED if one == _OURS else one for one in command]
        # Behind the change of account: the library would leave there what PostgreSQL's account may not open.
        changes = [f"{variable}={value}" for variable, value in clock.items()]
        command[_BINDING:_BINDING] = ["/usr/bin/env", *changes]
    return await _spawn(supervisor, name, command, environment)


if __name__ == "__main__":
    with (
        patch.object(RestartPolicy, "delay", at_once),
        patch.object(Supervisor, "_spawn", _with_a_clock),
    ):
        app()
