"""The supervisor with real processes: small Python programs that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from local.environment import ROOT
from local.events import StackEvent, StackEventKind
from local.part import Group, OneShot, Part, RestartPolicy
from local.supervisor import PartFailedError, Supervisor

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]

# Says that it is ready by a file, and notes its name in the order of the stops.
_PROGRAM = """
import os, pathlib, signal, sys, time
name, here = sys.argv[1], pathlib.Path(sys.argv[2])
def stop(*_):
    with (here / "stopped").open("a") as file: file.write(name + "\\n")
    raise SystemExit(0)
signal.signal(signal.SIGTERM, stop if "deaf" not in sys.argv else signal.SIG_IGN)
(here / f"{name}.{os.getpid()}").touch()
print("umask", oct(os.umask(0)), flush=True)
while True: time.sleep(0.05)
"""


def marks(here: Path, name: str) -> list[Path]:
    """What starts of the part left behind."""
    return list(here.glob(f"{name}.*"))


def part(name: str, here: Path, *flags: str, program: str = _PROGRAM, **changes: object) -> Part:
    async def is_ready() -> bool:
        return bool(marks(here, name))

    async def forget() -> None:
        for file in marks(here, name):
            file.unlink()

    values: dict[str, object] = {
        "name": name,
        "command": (sys.executable, "-c", program, name, str(here), *flags),
        "environment": dict(os.environ),
        "is_ready": is_ready,
        "prepare": forget,
        "restart": RestartPolicy(first_delay=timedelta(milliseconds=20)),
        "start_limit": timedelta(seconds=60),
    }
    return Part(**{**values, **changes})  # type: ignore[arg-type]


class Running:
    """A supervisor and what it reported."""

    def __init__(self, groups: tuple[Group, ...], here: Path) -> None:
        self.events: list[StackEvent] = []
        self.supervisor = Supervisor(groups, logs=here / "logs", report=self.events.append)

    def count(self, kind: StackEventKind, name: str) -> int:
        return sum(event.kind is kind and event.part == name for event in self.events)


@asynccontextmanager
async def running(here: Path, *groups: Group) -> AsyncIterator[Running]:
    run = Running(groups, here)
    try:
        await run.supervisor.start()
        yield run
    finally:
        await run.supervisor.stop()


async def test_a_part_that_is_killed_is_started_again(tmp_path: Path, eventually: Eventually) -> None:
    async with running(tmp_path, (part("api", tmp_path),)) as run:
        first = run.supervisor.pids()["api"]
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: run.count(StackEventKind.READY, "api") == 2)
        second = run.supervisor.pids()["api"]
    assert second != first
    died = next(event for event in run.events if event.kind is StackEventKind.DIED)
    assert died.message == f"was ended by SIGKILL; its log is {tmp_path / 'logs' / 'api.log'}"


async def test_a_part_that_keeps_dying_is_started_again_after_growing_pauses(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with running(tmp_path, (part("api", tmp_path),)) as run:
        for kills in range(1, 5):
            os.kill(run.supervisor.pids()["api"], signal.SIGKILL)
            await eventually(lambda kills=kills: run.count(StackEventKind.READY, "api") == kills + 1)  # type: ignore[misc]
    pauses = [event.message for event in run.events if event.kind is StackEventKind.RESTARTING]
    assert pauses == ["in 0.0 s", "in 0.0 s", "in 0.1 s", "in 0.2 s"]


async def test_a_part_whose_last_step_fails_is_started_again(tmp_path: Path, eventually: Eventually) -> None:
    done: list[int] = []

    async def settle() -> None:
        done.append(len(done))
        if len(done) in (1, 3):
            raise asyncpg.InterfaceError("connection is closed")

    async with running(tmp_path, (part("postgres", tmp_path, settle=settle),)) as run:
        assert run.count(StackEventKind.READY, "postgres") == 1
        os.kill(run.supervisor.pids()["postgres"], signal.SIGKILL)
        await eventually(lambda: run.count(StackEventKind.READY, "postgres") == 2)
    assert len(done) == 4


async def test_a_part_whose_last_step_never_works_fails_the_start(tmp_path: Path) -> None:
    async def settle() -> None:
        raise asyncpg.InterfaceError("connection is closed")

    broken = part("postgres", tmp_path, settle=settle, restart=RestartPolicy(first_start_attempts=1))
    with pytest.raises(PartFailedError, match=r"postgres is ready, but .*connection is closed"):
        async with running(tmp_path, (broken,)):
            pass


def test_the_pause_is_bounded() -> None:
    policy = RestartPolicy()
    assert policy.delay(1) == policy.first_delay
    assert policy.delay(10_000) == policy.longest_delay


async def test_parts_stop_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    names = ("postgres", "temporal", "api")
    async with running(tmp_path, *((part(name, tmp_path),) for name in names)) as run:
        assert tuple(run.supervisor.pids()) == names
    assert (tmp_path / "stopped").read_text().split() == ["api", "temporal", "postgres"]
    assert run.supervisor.pids() == {}


async def test_a_part_that_ignores_the_stop_signal_is_killed_after_its_grace(
    tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    deaf = part("worker", tmp_path, "deaf", grace=timedelta(milliseconds=100))
    async with running(tmp_path, (deaf,)) as run:
        pid = run.supervisor.pids()["worker"]
    assert not is_alive(pid)
    assert run.events[-1] == StackEvent(StackEventKind.STOPPED, "worker", "status -9")


async def test_the_status_of_every_part_that_is_killed_is_known(tmp_path: Path) -> None:
    async def at_once() -> bool:
        return True

    sleeping: dict[str, object] = {
        "command": ("sleep", "600"),
        "is_ready": at_once,
        "prepare": None,
        "stop_signal": signal.SIGCONT,
        "grace": timedelta(0),
    }
    names = [f"deaf-{number}" for number in range(60)]
    async with running(tmp_path, tuple(part(name, tmp_path, **sleeping) for name in names)) as run:  # type: ignore[arg-type]
        pass
    stopped = [event for event in run.events if event.kind is StackEventKind.STOPPED]
    assert [event.message for event in stopped] == ["status -9"] * len(names)


async def test_a_second_request_to_stop_cuts_the_grace_short(tmp_path: Path) -> None:
    deaf = part("worker", tmp_path, "deaf", grace=timedelta(hours=1))
    async with asyncio.timeout(60), running(tmp_path, (deaf,)) as run:
        run.supervisor.hurry()


async def test_a_part_that_cannot_start_fails_the_start_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = part("opa", tmp_path, program="raise SystemExit('no policy here')")
    first = part("postgres", tmp_path)
    with pytest.raises(PartFailedError) as failed:
        async with running(tmp_path, (first,), (broken,), (part("api", tmp_path),)):
            pass
    assert failed.value.part == "opa"
    assert "ended with status 1" in str(failed.value)
    assert str(tmp_path / "logs" / "opa.log") in str(failed.value)
    assert "| no policy here" in str(failed.value)
    assert (tmp_path / "stopped").read_text().split() == ["postgres"]


async def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    missing = part("opa", tmp_path, command=(str(tmp_path / "opa"),))
    with pytest.raises(PartFailedError, match="opa cannot be started: No such file or directory"):
        async with running(tmp_path, (missing,)):
            pass


async def test_a_part_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    async def never() -> bool:
        raise ConnectionError

    slow = part(
        "api",
        tmp_path,
        is_ready=never,
        start_limit=timedelta(milliseconds=200),
        restart=RestartPolicy(first_start_attempts=1),
    )
    run = Running(((slow,),), tmp_path)
    with pytest.raises(PartFailedError, match="was not ready within"):
        await run.supervisor.start()
    assert run.supervisor.pids() == {}
    await run.supervisor.stop()


async def test_a_command_that_fails_keeps_what_comes_after_it_from_starting(tmp_path: Path) -> None:
    migrate = OneShot("migrate", (sys.executable, "-c", "raise SystemExit('no such table')"), {})
    with pytest.raises(PartFailedError, match=r"(?s)migrate ended with status 1.*no such table"):
        async with running(tmp_path, (migrate,), (part("api", tmp_path),)):
            pass
    assert marks(tmp_path, "api") == []


async def test_what_a_part_writes_is_private(tmp_path: Path) -> None:
    async with running(tmp_path, (part("api", tmp_path),)) as run:
        pid = run.supervisor.pids()["api"]
    log = tmp_path / "logs" / "api.log"
    assert log.read_text() == "umask 0o77\n"
    assert {oct(file.stat().st_mode & 0o777) for file in (log, tmp_path / f"api.{pid}")} == {"0o600"}


_SUPERVISING = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from test_supervisor import part
from local.supervisor import Supervisor
async def main():
    here = Path(sys.argv[3])
    groups = [(part(name, here, "deaf"),) for name in ("postgres", "worker")]
    supervisor = Supervisor(groups, logs=here / "logs", report=lambda event: None)
    await supervisor.start()
    print(*supervisor.pids().values(), flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_no_part_outlives_a_supervisor_that_is_killed(
    tmp_path: Path, is_alive: Callable[[int], bool], eventually: Eventually
) -> None:
    command = [sys.executable, "-c", _SUPERVISING, str(ROOT), str(Path(__file__).parent), str(tmp_path)]
    supervisor = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert supervisor.stdout is not None
    pids = [int(pid) for pid in (await supervisor.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(is_alive(pid) for pid in pids)
    supervisor.kill()
    await supervisor.wait()
    await eventually(lambda: not any(is_alive(pid) for pid in pids))
