"""Local stack: `sluice up` from the lock to the last stopped part. The command line only renders what is reported.

resolve programs → lock the state directory → tokens and keys → start → ready → wait for a signal → stop
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local.environment import SluiceCommand, sluice_command
from local.events import Report, StackError, StackEvent, StackEventKind
from local.identities import ensure_keys, ensure_tokens
from local.ports import Ports
from local.stack import Facts, Stack, Work, needed_programs, plan_stack
from local.supervisor import Supervisor
from settings import Settings
from tools.catalogue import PROGRAMS
from tools.programs import ProgramNotFoundError, explicit_path, resolve

Seed = Literal["demo", "none"]

_SEEDED = "seeded"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LOCK_ATTEMPTS = 5
_LOCK_PAUSE = 0.05


class StackRunningError(StackError):
    """Another `sluice up` holds the state directory."""

    def __init__(self, state_dir: Path, pid: str) -> None:
        super().__init__(
            f"another `sluice up` (pid {pid or 'unknown'}) already runs in {state_dir}: "
            "stop it, or set SLUICE_STATE_DIR to another directory"
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything runs."""

    url: str
    state_dir: Path
    pids: Mapping[str, int]
    """Only the parts that we started."""
    addresses: Mapping[str, str]
    tokens: Path
    """JSON, identity → token, 0600."""
    wants_seed: bool
    """Demo proposals are asked for and this state directory has none yet. `on_ready` lets them arrive."""


OnReady = Callable[[Ready], Awaitable[None]]


async def run_stack(
    settings: Settings,
    *,
    seed: Seed,
    on_ready: OnReady,
    progress: Report,
    stop: asyncio.Event | None = None,
    sluice: SluiceCommand = sluice_command,
) -> int:
    """Run the local stack until SIGTERM or SIGINT (or `stop`), then stop it cleanly and return 0.

    `on_ready` runs beside the supervisor and is awaited or cancelled at the end; what it raises stops the stack
    and is raised here. A second signal cuts grace periods short. Call it in the main thread. `sluice` gives the
    command line of our own processes.

    Raises:
        StackError: it cannot start, with a message for the person. Nothing is left running.
    """
    state = settings.state_dir.absolute()
    _make_state_directory(state)
    with _exclusive(state):
        stack = await _prepare(settings, state, progress, sluice)
        supervisor = Supervisor(stack.groups, logs=state / "logs", report=progress)
        stopping = stop or asyncio.Event()
        with _signals(stopping, supervisor):
            try:
                if await _unless(stopping, supervisor.start()):
                    wants_seed = seed == "demo" and not (state / _SEEDED).exists()
                    tokens = state / "tokens.json"
                    ready = Ready(stack.url, state, supervisor.pids(), stack.addresses, tokens, wants_seed)
                    async with _beside(stack.beside):
                        await _serve(ready, on_ready, stopping)
            finally:
                await supervisor.stop()
    return 0


@asynccontextmanager
async def _beside(work: Sequence[Work]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one()) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(ready: Ready, on_ready: OnReady, stopping: asyncio.Event) -> None:
    if await _unless(stopping, on_ready(ready)):
        if ready.wants_seed:
            (ready.state_dir / _SEEDED).touch(mode=0o600)
        await stopping.wait()


async def _unless(stopping: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do `work`, but give it up when a stop is asked for. Whether it was finished."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
            return True
        return False
    finally:
        for pending in (task, waiting):
            pending.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


async def _prepare(settings: Settings, state: Path, progress: Report, sluice: SluiceCommand) -> Stack:
    programs = await _programs(settings, state, progress)
    return plan_stack(
        Facts(
            settings=settings,
            state=state,
            programs=programs,
            ports=Ports(state / "ports.json"),
            keys=ensure_keys(state),
            tokens=ensure_tokens(state),
            report=progress,
            sluice=sluice,
        )
    )


async def _programs(settings: Settings, state: Path, progress: Report) -> dict[str, Path]:
    loop = asyncio.get_running_loop()

    async def find(name: str) -> tuple[str, Path]:
        def say(message: str) -> None:
            loop.call_soon_threadsafe(progress, StackEvent(StackEventKind.NOTE, name, message))

        program = PROGRAMS[name]
        explicit = explicit_path(settings.programs, program)
        try:
            found = await asyncio.to_thread(
                resolve, program, state_dir=state, explicit=explicit, progress=say
            )
        except ProgramNotFoundError as cause:
            raise StackError(str(cause)) from cause
        say(f"{PROGRAMS[name].judged} {found.version} from {found.source}: {found.path}")
        return name, found.path

    return dict(await asyncio.gather(*(find(name) for name in needed_programs(settings))))


def _make_state_directory(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise StackError(f"{state} cannot be made: {cause.strerror}; set SLUICE_STATE_DIR") from cause
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        raise StackError(f"{state} cannot be written: change its owner or set SLUICE_STATE_DIR")
    found = state.stat()
    if found.st_uid != os.geteuid():
        # Its owner could put programs there that we run, and read the keys that we make.
        raise StackError(f"{state} belongs to somebody else: change its owner or set SLUICE_STATE_DIR")
    if found.st_mode & _OTHERS_WRITE:
        state.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS_WRITE)


@contextmanager
def _exclusive(state: Path) -> Iterator[None]:
    """Hold the state directory. The kernel frees it when we die, however we die."""
    descriptor = os.open(state / "up.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if not _lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise StackRunningError(state, holder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock. `is_running` holds it for a moment when it asks, so one refusal says nothing."""
    for _ in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        else:
            return True
    return False


def is_running(state: Path) -> bool:
    """Whether a `sluice up` holds this state directory. A shared lock, so that two who ask do not see each other."""
    try:
        descriptor = os.open(state / "up.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _signals(stopping: asyncio.Event, supervisor: Supervisor) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stopping.is_set():
            supervisor.hurry()
        stopping.set()

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
