"""Processor time is that of a process with all it started, also of what has ended."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.floor.processor import family, resident_mib, seconds_of

_BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_the_time_of_a_child_that_ended_is_counted() -> None:
    before = seconds_of([os.getpid()])
    subprocess.run([sys.executable, "-c", _BUSY], check=True)
    assert seconds_of([os.getpid()]) - before >= 0.28


def test_a_running_child_belongs_to_its_family() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in family(os.getpid())
        assert resident_mib(os.getpid()) > resident_mib(child.pid) > 0
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()


def test_a_process_that_is_gone_has_used_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert seconds_of([child.pid]) == 0
    assert resident_mib(child.pid) == 0
