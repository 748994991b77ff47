"""Processor time is that of a process with all it started, also of what has ended."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.floor.processor import family, peak_mib, seconds_of, spent

_BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_the_time_of_a_child_that_ended_is_counted() -> None:
    before = seconds_of([os.getpid()])
    subprocess.run([sys.executable, "-c", _BUSY], check=True)
    assert seconds_of([os.getpid()]) - before >= 0.28


def test_a_running_child_belongs_to_its_family() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in family(os.getpid())
        assert peak_mib(os.getpid()) > peak_mib(child.pid) > 0
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()


def test_a_process_that_is_gone_has_used_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert seconds_of([child.pid]) == 0


def test_nothing_is_told_of_a_role_whose_process_has_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(RuntimeError, match="worker"):
        spent({"database": [os.getpid()], "worker": [child.pid]})
    with pytest.raises(RuntimeError, match="ended"):
        peak_mib(child.pid)


def test_memory_that_was_given_back_is_told_of() -> None:
    before = peak_mib(os.getpid())
    block = bytearray(int((before + 64) * 2**20))
    del block
    assert peak_mib(os.getpid()) > before + 50
