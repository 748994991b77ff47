"""Work over several processes: all of it comes back, or an error that names the piece; nothing waits in vain."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofs.mutants.working_copy import ROOT
from proofs.spread import SpreadFailed, at, lane, spread


def _where(number: int) -> tuple[int, int, int]:
    return number, lane(), os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_piece_comes_back_once(jobs: int) -> None:
    found = list(spread(_where, range(20), jobs))
    assert sorted(number for number, _, _ in found) == list(range(20))
    assert {place for _, place, _ in found} <= set(range(jobs))


def test_with_one_job_all_happens_here() -> None:
    assert [process for _, _, process in spread(_where, range(3), 1)] == [os.getpid()] * 3


def test_there_may_be_more_processes_than_pieces() -> None:
    assert [number for number, _, _ in spread(_where, [7], 3)] == [7]
    assert list(spread(_where, [], 2)) == []


def _raises(number: int) -> int:
    if number == 3:
        raise ValueError("three is wrong")
    return number


def test_an_error_names_the_piece_and_where_it_was_raised() -> None:
    with pytest.raises(SpreadFailed, match=r"^3 failed:(.|\n)*in _raises(.|\n)*three is wrong"):
        list(spread(_raises, range(5), 2))


def _dies(number: int) -> int:
    at(f"seed {number * 10}")
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_process_that_dies_is_an_error_that_names_its_piece_and_its_step() -> None:
    with pytest.raises(SpreadFailed, match=r"^3, at seed 30: its process ended with status -9$"):
        list(spread(_dies, range(5), 2))


def _leaves_a_child(folder: str) -> None:
    """Die before a child that has inherited everything, and that lives until the folder is gone."""
    if os.fork() == 0:
        while Path(folder).exists():
            threading.Event().wait(0.1)
        os._exit(0)
    os._exit(5)


def test_a_process_that_dies_before_its_own_child_is_an_error_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "lives"
    folder.mkdir()
    try:
        with pytest.raises(SpreadFailed, match=r"its process ended with status 5$"):
            list(spread(_leaves_a_child, [str(folder)], 2))
    finally:
        folder.rmdir()


def _stands_still(number: int) -> int:
    if number == 1:
        threading.Event().wait()
    return number


def test_a_piece_without_end_is_an_error_and_its_process_is_ended() -> None:
    with pytest.raises(SpreadFailed, match=r"^1: no end after 0 s$"):
        list(spread(_stands_still, [1], 2, longest=0))


def _notes_its_end(folder: str) -> None:
    try:
        Path(folder, "began").touch()
        threading.Event().wait()
    finally:
        Path(folder, "cleaned").touch()


def test_whoever_stops_asking_ends_what_is_under_way_and_lets_it_clean_up(tmp_path: Path) -> None:
    def pieces() -> Iterator[str]:
        yield str(tmp_path)
        while not (tmp_path / "began").exists():
            threading.Event().wait(0.05)
        raise RuntimeError("nobody asks any more")

    with pytest.raises(RuntimeError, match="nobody asks"):
        list(spread(_notes_its_end, pieces(), 2))
    assert (tmp_path / "cleaned").exists()


class _Told:
    """Is told to end while it is thrown away: an error that is raised there is lost."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(0.1)


async def _waits_for_ever(folder: Path) -> None:
    try:
        _Told()
        await asyncio.Event().wait()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)  # `timeout` sends a second one
        (folder / "cleaned").touch()


def _runs_a_loop(folder: str) -> None:
    asyncio.run(_waits_for_ever(Path(folder)))


def test_an_event_loop_heeds_its_end_once_and_wherever_it_is_at_that_moment(tmp_path: Path) -> None:
    with pytest.raises(SpreadFailed, match="its process ended with status 0"):
        list(spread(_runs_a_loop, [str(tmp_path)], 2, longest=30))
    assert (tmp_path / "cleaned").exists()


def test_a_proof_that_is_a_program_finds_its_work_in_two_processes() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "proofs.llm_fuzz", "--outputs", "60", "--hostile", "10", "--jobs", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_program_that_spreads_work_is_started_by_its_own_name() -> None:
    spreading = [
        one for one in (ROOT / "proofs").glob("*/__main__.py") if "from proofs.spread" in one.read_text()
    ]
    assert len(spreading) >= 4
    for one in spreading:
        assert f"from proofs.{one.parent.name}.__main__ import main" in one.read_text(), one
