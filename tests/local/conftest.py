from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import until

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory with a short path, outside pytest's private one: PostgreSQL's account must reach it."""
    directory = Path(tempfile.mkdtemp(prefix="sl-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def is_alive() -> Callable[[int], bool]:
    """Whether a process of that id runs. One that ended and was not collected yet does not."""

    def look(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state != "Z"

    return look


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    return until
