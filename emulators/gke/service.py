"""Serves one call: plan a failure or not, decide, save, log, answer.

The order matters to whoever judges by the log: an accepted change is saved and logged before the caller can know
of it, and also when the caller is never told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from emulators.gke.cloud import Cloud
from emulators.gke.failures import ApiError, planned
from emulators.gke.faults import Fault, FaultKind, take
from emulators.gke.fleet import load_fleet
from emulators.gke.log import CallLog, ServedCall
from emulators.gke.model import Operation, State

AnswerT = TypeVar("AnswerT")
_AFTER = frozenset({FaultKind.TIMEOUT_AFTER_EFFECT, FaultKind.UNAVAILABLE_AFTER_EFFECT})
_HANGING = frozenset({FaultKind.TIMEOUT_BEFORE_EFFECT, FaultKind.TIMEOUT_AFTER_EFFECT, FaultKind.SLOW})


@dataclass(frozen=True)
class Call:
    """What came in."""

    surface: Literal["container", "compute", "admin"]
    method: str
    where: dict[str, str]
    request: dict[str, Any] = field(default_factory=dict)
    user_agent: str = ""


@dataclass(frozen=True)
class Answer(Generic[AnswerT]):
    """What goes out. `operation` is set when the call changed something."""

    body: AnswerT
    operation: Operation | None = None


class Service:
    """The provider with its memory and its log."""

    def __init__(self, cloud: Cloud, log: CallLog, fleet: str, state_file: Path | None) -> None:
        self.cloud = cloud
        self.log = log
        self._fleet = fleet
        self._state_file = state_file
        log.recover(cloud.state.unlogged)

    @classmethod
    def open(cls, fleet: str, log: Path | None, state_file: Path | None) -> Service:
        """Start from the state file when it is there, else from the fleet."""
        if state_file is not None and state_file.exists():
            state = State.model_validate_json(state_file.read_bytes())
        else:
            state = load_fleet(fleet)
        return cls(Cloud(state), CallLog(log), fleet, state_file)

    def reset(self) -> None:
        """Go back to the fleet's start. Counters go on, so the log stays in order."""
        old = self.cloud.state
        self.cloud.state = load_fleet(self._fleet)
        self.cloud.state.timing = old.timing
        self.cloud.state.calls, self.cloud.state.effects = old.calls, old.effects

    async def serve(self, call: Call, decide: Callable[[Fault | None], Answer[AnswerT]]) -> AnswerT:
        """Answer a call by `decide`, or fail it as planned. Raises ApiError."""
        fault = take(self.cloud.state.faults, call.method, call.where)
        error = planned(fault.kind) if fault else None
        answer: Answer[AnswerT] | None = None
        if error is None or (fault and fault.kind in _AFTER):
            try:
                answer = decide(fault if fault and fault.kind.spoils_operation else None)
            except ApiError as refusal:
                error = refusal
        self.record(call, answer.operation if answer else None, error, fault)
        if fault and fault.kind in _HANGING:
            await asyncio.sleep(self.cloud.state.timing.hang if fault.delay is None else fault.delay)
        if error is not None:
            raise error
        if answer is None:  # pragma: no cover - no error means an answer
            raise ApiError("INTERNAL", "No answer.")
        return answer.body

    def record(
        self, call: Call, operation: Operation | None, error: ApiError | None, fault: Fault | None = None
    ) -> None:
        """Count, save and log a call that has been decided."""
        state = self.cloud.state
        state.calls += 1
        if operation is not None:
            state.effects += 1
        where = {k: v for k, v in call.where.items() if k in ("project", "location", "cluster", "node_pool")}
        line = ServedCall(
            seq=state.calls,
            ts=datetime.fromtimestamp(self.cloud.now(), UTC),
            surface=call.surface,
            method=call.method,
            request=call.request,
            outcome=error.code if error else "OK",
            reason=error.reason if error else "",
            operation=operation.name if operation else "",
            accepted=operation is not None,
            effect=state.effects if operation is not None else None,
            fault=fault.kind.value if fault else "",
            user_agent=call.user_agent,
            **where,
        ).model_dump_json()
        if operation is not None or fault is not None or call.surface == "admin":
            self.save(line)
        self.log.append(line)

    def save(self, unlogged: str = "") -> None:
        """Write the state file, whole or not at all."""
        if self._state_file is None:
            return
        self.cloud.state.unlogged = unlogged
        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._state_file.with_suffix(".new")
        fresh.write_text(self.cloud.state.model_dump_json(), encoding="utf-8")
        fresh.replace(self._state_file)

    def close(self) -> None:
        """Save and close the log."""
        with contextlib.suppress(OSError):
            self.save()
        self.log.close()
