"""One PostgreSQL for the tests of all mutants: starting and migrating one costs more than most tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.postgres import STOP_SIGNAL, server_in

_START_LIMIT = 60.0
_OPTIONS = {"fsync": "off", "full_page_writes": "off", "max_connections": "300", "max_wal_size": "256MB"}
"""As tests/conftest.py has it: only a crash of the whole machine could lose data, and nobody would miss it."""


@contextmanager
def running_server(directory: Path) -> Iterator[Path]:
    """Have a PostgreSQL in `directory`, and end it at last.

    Raises:
        RuntimeError: it does not start.
    """
    server = server_in(directory, options=_OPTIONS)
    server.initialise()
    asking = [str(server.binaries / "pg_isready"), "-q", "-h", str(server.sockets)]
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            server.bound_command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        give_up = time.monotonic() + _START_LIMIT
        while subprocess.run(asking, check=False).returncode != 0:
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError((directory / "log").read_text(errors="replace")[-4000:])
            time.sleep(0.02)
        yield directory
    finally:
        process.send_signal(STOP_SIGNAL)
        process.wait(_START_LIMIT)
