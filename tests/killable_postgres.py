"""A PostgreSQL of its own for a test that kills it: `crash` is an immediate shutdown, a power cut for its clients."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from local.postgres import PostgresServer, server_in

_LIMIT = 60.0


class KillablePostgres:
    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        # Short and outside pytest's private directory: a socket path has 107 bytes.
        root = Path(tempfile.mkdtemp(prefix="sluice-kp-"))
        options = {"fsync": "off", "full_page_writes": "off", "max_connections": "100"}
        killable = cls(server_in(root / "e", options=options))
        try:
            killable._server.initialise()
            killable.start()
            yield killable
        finally:
            killable.crash()
            shutil.rmtree(root, ignore_errors=True)

    @property
    def url(self) -> str:
        return self._server.url()

    def start(self) -> None:
        log = self._server.data.with_name("log")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._server.bound_command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        asking = [str(self._server.binaries / "pg_isready"), "-q", "-h", str(self._server.sockets)]
        deadline = time.monotonic() + _LIMIT
        while subprocess.run(asking, check=False).returncode != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.02)

    def crash(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_LIMIT)
            self._process = None
