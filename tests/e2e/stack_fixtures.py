"""The stacks that the tests of this folder share. One event loop for all of them: stacks outlive a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.practice_ground import Ground
from tests.e2e.stack import Programs, Stack, running_stack
from tests.side_by_side import ends_with_its_unit


@pytest.fixture(scope="session")
def programs(temporal_binary: Path, opa_binary: Path) -> Programs:
    return Programs(temporal_binary, opa_binary)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(programs: Programs, stack_directory: Callable[[str], Path]) -> AsyncIterator[Stack]:
    """The stack of tests that leave every process alive."""
    async with running_stack(stack_directory("stack"), programs, Ground()) as running:
        ends_with_its_unit(running.ask_to_stop)
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rough_stack(programs: Programs, stack_directory: Callable[[str], Path]) -> AsyncIterator[Stack]:
    """The stack of tests that kill processes and leave operations running."""
    directory, slow = stack_directory("rough"), {"SLUICE_GKE__OPERATION_TIMEOUT": "PT2M"}
    async with running_stack(directory, programs, Ground(10), **slow) as running:
        ends_with_its_unit(running.ask_to_stop)
        yield running
