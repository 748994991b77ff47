"""Local stack: starts the parts in order, keeps them running, stops them in reverse.

A part that dies is started again after a back-off. Every part is bound to this process (`local/bound.py`), so
no part outlives the supervisor, however it ends. Start it from a thread that lives as long as the process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local.bound import bound_command
from local.events import Report, StackError, StackEvent, StackEventKind
from local.part import Group, OneShot, Part

_PROBE_LIMIT = 2.0
_PROBE_PAUSE = 0.05
_TAIL_LINES = 15
_TAIL_BYTES = 8_192
_LOG_LIMIT = 20 * 1024 * 1024


class PartFailedError(StackError):
    """A part or one-shot command did not start, or did not become ready."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        self.part = name
        self.log = log
        super().__init__(f"{name} {reason}; its log is {log}\n{_tail(log)}".rstrip())


class Supervisor:
    """Runs groups of parts. `start` once, then `stop` once, whether or not `start` succeeded."""

    def __init__(self, groups: Sequence[Group], *, logs: Path, report: Report) -> None:
        self._groups = groups
        self._logs = logs
        self._report = report
        self._processes: dict[str, Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._hurry = asyncio.Event()

    def pids(self) -> dict[str, int]:
        """The running parts and their process ids, in the order in which they started."""
        return {name: process.pid for name, process in self._processes.items() if process.returncode is None}

    def log_of(self, name: str) -> Path:
        """The file that the part's output is appended to."""
        return self._logs / f"{name}.log"

    async def start(self) -> None:
        """Start everything and return when all of it is ready. Raises `PartFailedError`."""
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        for group in self._groups:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for step in group:
                        tasks.create_task(self._begin(step))
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from None

    async def stop(self) -> None:
        """Stop what runs, last started first: stop signal, grace, SIGKILL."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        parts = [step for group in self._groups for step in group if isinstance(step, Part)]
        for part in reversed(parts):
            process = self._processes.get(part.name)
            if process is not None and process.returncode is None:
                self._tell(StackEventKind.STOPPING, part.name, f"pid {process.pid}")
                await self._end(part, process)
                self._tell(StackEventKind.STOPPED, part.name, f"status {process.returncode}")

    def hurry(self) -> None:
        """Cut every grace period short: the person asked twice."""
        self._hurry.set()

    async def _begin(self, step: Part | OneShot) -> None:
        if isinstance(step, OneShot):
            await self._run_once(step)
            return
        self._tell(StackEventKind.STARTING, step.name, "starting")
        for attempt in range(1, step.restart.first_start_attempts + 1):
            try:
                await self._launch(step)
            except PartFailedError as failed:
                if attempt == step.restart.first_start_attempts:
                    raise
                self._tell(StackEventKind.RESTARTING, step.name, str(failed))
                await asyncio.sleep(step.restart.delay(attempt).total_seconds())
            else:
                break
        self._keepers.append(asyncio.create_task(self._keep(step), name=f"keep {step.name}"))

    async def _run_once(self, shot: OneShot) -> None:
        self._tell(StackEventKind.STARTING, shot.name, "running")
        process = await self._spawn(shot.name, bound_command(list(shot.command)), shot.environment)
        try:
            async with asyncio.timeout(shot.limit.total_seconds()):
                status = await process.wait()
        except TimeoutError:
            reason = f"did not end within {shot.limit.total_seconds():.0f} s"
            raise PartFailedError(shot.name, reason, self.log_of(shot.name)) from None
        finally:
            await _kill(process)
        if status != 0:
            raise PartFailedError(shot.name, _ending(status), self.log_of(shot.name))
        self._tell(StackEventKind.READY, shot.name, "done")

    async def _launch(self, part: Part) -> None:
        """One start: prepare, spawn, wait until it is ready, settle. On failure no process is left."""
        began = time.monotonic()
        if part.prepare is not None:
            await part.prepare()
        command = bound_command(list(part.command), death_signal=part.death_signal, account=part.account)
        process = await self._spawn(part.name, command, part.environment)
        self._processes[part.name] = process
        try:
            await self._await_ready(part, process)
            await self._settle(part)
        except BaseException:
            await _kill(process)
            raise
        self._tell(StackEventKind.READY, part.name, f"ready after {time.monotonic() - began:.1f} s")

    async def _settle(self, part: Part) -> None:
        if part.settle is None:
            return
        try:
            await part.settle()
        except Exception as cause:
            reason = f"is ready, but {type(cause).__name__}: {cause}"
            raise PartFailedError(part.name, reason, self.log_of(part.name)) from cause

    async def _spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> Process:
        log = self.log_of(name)
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C at the terminal is for the supervisor, which stops in order
            )
        finally:
            os.close(descriptor)

    async def _await_ready(self, part: Part, process: Process) -> None:
        deadline = time.monotonic() + part.start_limit.total_seconds()
        while process.returncode is None:
            # Whatever a probe raises while its part comes up means "not yet"; the deadline bounds it.
            with suppress(Exception):
                async with asyncio.timeout(_PROBE_LIMIT):
                    if await part.is_ready() and process.returncode is None:
                        return
            if time.monotonic() > deadline:
                reason = f"was not ready within {part.start_limit.total_seconds():.0f} s"
                raise PartFailedError(part.name, reason, self.log_of(part.name))
            await asyncio.sleep(_PROBE_PAUSE)
        raise PartFailedError(part.name, _ending(process.returncode), self.log_of(part.name))

    async def _keep(self, part: Part) -> None:
        """Start the part again whenever it ends, until cancelled."""
        failures = 0
        while True:
            began = time.monotonic()
            status = await self._processes[part.name].wait()
            calm = time.monotonic() - began >= part.restart.calm.total_seconds()
            failures = 1 if calm else failures + 1
            self._tell(
                StackEventKind.DIED, part.name, f"{_ending(status)}; its log is {self.log_of(part.name)}"
            )
            failures = await self._revive(part, failures)

    async def _revive(self, part: Part, failures: int) -> int:
        """Try until it is ready again; return the failures in a row so far."""
        while True:
            delay = part.restart.delay(failures)
            self._tell(StackEventKind.RESTARTING, part.name, f"in {delay.total_seconds():.1f} s")
            await asyncio.sleep(delay.total_seconds())
            try:
                await self._launch(part)
            except Exception as failed:  # noqa: BLE001 -- whatever went wrong, a part that nobody starts stays away
                failures += 1
                self._tell(StackEventKind.DIED, part.name, str(failed))
            else:
                return failures

    async def _end(self, part: Part, process: Process) -> None:
        _signal(process, part.stop_signal)
        exits = asyncio.ensure_future(process.wait())
        hurries = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait(
            {exits, hurries}, timeout=part.grace.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        hurries.cancel()
        await _kill(process)
        await exits

    def _tell(self, kind: StackEventKind, part: str, message: str) -> None:
        self._report(StackEvent(kind, part, message))


async def _kill(process: Process) -> None:
    """End a process that still runs, with the session it leads, and collect it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Between fork and setsid the child leads no group yet.
        _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: Process, number: int) -> None:
    """Send a signal, and leave the child's status to the event loop.

    `Process.send_signal` asks for the status before it sends. Where the child ended at that moment, the loop's own
    wait finds nothing and reports 255 (https://github.com/python/cpython/issues/127049).
    """
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"  | {line}" for line in lines[-_TAIL_LINES:])
