"""The emulator's own account of what it served: JSON lines, one per call, append-only.

Tests, proofs and the demo judge Sluice by this log and not by what Sluice says of itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class ServedCall(BaseModel):
    """One call that was served, or refused, or left without an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    """Counts calls from 1, over restarts too where a state file is used."""
    ts: datetime
    surface: Literal["container", "compute", "admin"]
    method: str
    project: str = ""
    location: str = ""
    cluster: str = ""
    node_pool: str = ""
    request: dict[str, Any] = {}
    outcome: str = "OK"
    """OK or the name of a google.rpc.Code. What the caller was told, if it listened long enough."""
    reason: str = ""
    """ErrorInfo reason that went with a refusal."""
    operation: str = ""
    accepted: bool = False
    """True when a mutating call took effect, whatever the caller was told."""
    effect: int | None = None
    """Counts accepted mutating calls from 1."""
    fault: str = ""
    """The planned fault that hit the call."""
    user_agent: str = ""

    @property
    def target(self) -> str:
        """`project/location/cluster/node_pool`, without the parts the call does not name."""
        parts = (self.project, self.location, self.cluster, self.node_pool)
        return "/".join(part for part in parts if part)


class Calls(list[ServedCall]):
    """Served calls in order, with the questions a judge asks."""

    def of(self, method: str, *, target: str = "") -> Calls:
        """Calls of a method; with `target` only those whose target starts with it."""
        return Calls(c for c in self if c.method == method and c.target.startswith(target))

    def accepted(self, method: str = "", *, target: str = "") -> Calls:
        """Calls that took effect, of one method or of all."""
        found = (
            self.of(method, target=target)
            if method
            else Calls(c for c in self if c.target.startswith(target))
        )
        return Calls(c for c in found if c.accepted)

    def refused(self, method: str, *, target: str = "") -> Calls:
        """Calls of a method that took no effect and were answered with an error."""
        return Calls(c for c in self.of(method, target=target) if not c.accepted and c.outcome != "OK")


def read_calls(path: Path | str) -> Calls:
    """Read a log. A last line that is still being written is left out.

    Raises:
        OSError: the file cannot be read.
        pydantic.ValidationError: a whole line is not a served call.
    """
    whole, _, _ = Path(path).read_bytes().rpartition(b"\n")
    return Calls(ServedCall.model_validate_json(line) for line in whole.split(b"\n") if line)


class CallLog:
    """Appends lines to a file, each by one write. Without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fd: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def append(self, line: str) -> None:
        """Append one line."""
        if self._fd is not None:
            os.write(self._fd, line.encode() + b"\n")

    def recover(self, line: str) -> None:
        """Append the line of a call whose effect was saved just before the process died, unless it is there."""
        if self._path is None or not line:
            return
        call = ServedCall.model_validate_json(line)
        if call.seq not in _sequence_numbers(read_calls(self._path)):
            self.append(line)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _sequence_numbers(calls: Iterable[ServedCall]) -> set[int]:
    return {call.seq for call in calls}
