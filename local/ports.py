"""Local stack: TCP ports on 127.0.0.1, chosen once per state directory, so that addresses survive a restart."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Collection
from pathlib import Path

from local.directories import write_private
from local.events import StackError

_RELEASE_LIMIT = 3.0
"""Seconds. Parts of a supervisor that was killed a moment ago may still be on their way out."""
_CHOICE = range(20_000, 30_000)
"""Below the ports that systems give to outgoing connections and to servers that ask for any port: those could take one
between its choice and the start of its part, and while a part is started again."""


class PortTakenError(StackError):
    """A port that a setting names is in use."""

    def __init__(self, host: str, port: int, setting: str) -> None:
        super().__init__(
            f"port {port} on {host} is in use: stop what uses it, or choose another with {setting} (0 = any)"
        )


class Ports:
    """Named ports, kept in a JSON file. Only the holder of the state directory's lock may use it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def choose(self, name: str) -> int:
        """The port of that name: the one it had before if that is free, otherwise a new free one."""
        kept = self._ports.get(name)
        if kept is not None and _becomes_free("127.0.0.1", kept):
            return kept
        port = free_port(self._ports.values())
        self._ports[name] = port
        write_private(self._file, (json.dumps(self._ports, indent=2) + "\n").encode())
        return port

    def claim(self, host: str, port: int, setting: str) -> int:
        """The port that `setting` names. 0 means: any, but kept. Raises `PortTakenError`."""
        if port == 0:
            return self.choose(setting)
        if not _becomes_free(host, port):
            raise PortTakenError(host, port, setting)
        return port


def http_url(host: str, port: int) -> str:
    """The address of a server on that host and port. An IPv6 address stands in brackets (RFC 3986, section 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _becomes_free(host: str, port: int) -> bool:
    deadline = time.monotonic() + _RELEASE_LIMIT
    while not is_free(host, port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """A TCP port on 127.0.0.1 that is free now, and that only those who ask for it by number would take."""
    while True:
        port = random.choice(_CHOICE)  # noqa: S311 - no secret
        if port not in taken and is_free("127.0.0.1", port):
            return port
