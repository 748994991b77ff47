"""CONFORMANCE: what a guardrail does beside answering, seen while it runs. A means for tests, not a sandbox.

Python tells of files, sockets and processes by audit events (PEP 578), which are refused here. Clocks, chance and the
environment raise none: calls of them are seen by the interpreter's profile hook, however they were imported.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from types import FrameType
from typing import Any

_OUTSIDE = (
    *(
        "open",
        "socket.",
        "subprocess.",
        "os.",
        "shutil.",
        "glob.",
        "tempfile.",
        "sqlite3.",
        "urllib.",
        "http.",
    ),
    *("ftplib.", "smtplib.", "ctypes.", "mmap.", "fcntl.", "signal.", "winreg.", "pty.", "syslog."),
)
_CLOCKS = frozenset({"now", "utcnow", "today"})
_TIME = frozenset(
    getattr(time, name)
    for name in (
        *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
        *("process_time", "process_time_ns", "thread_time", "thread_time_ns", "localtime", "gmtime", "ctime"),
        "sleep",
    )
)
_CHANCE = frozenset({os.urandom, os.getpid})
_ENVIRONMENT = frozenset({type(os.environ).__getitem__.__code__})
_DRAWN = frozenset({uuid.uuid1.__code__, uuid.uuid4.__code__, random.SystemRandom.random.__code__})

_watched: ContextVar[set[str] | None] = ContextVar("sluice_conformance", default=None)
_lock = threading.Lock()
_hooked = False


class OutsideRefused(PermissionError):
    """Raised into a guardrail that reaches outside while it is watched."""


@contextmanager
def watching() -> Iterator[set[str]]:
    """Collect what is reached for in the body. Files, sockets and processes are refused; all of it is noted."""
    _hook()
    reached: set[str] = set()
    token, profile = _watched.set(reached), sys.getprofile()

    def look(frame: FrameType, event: str, given: Any) -> None:
        if event == "c_call" and (name := _drawn(given)) is not None:
            reached.add(name)
        elif event == "call" and frame.f_code in _ENVIRONMENT:
            reached.add("os.environ")
        elif event == "call" and frame.f_code in _DRAWN:
            reached.add(frame.f_code.co_qualname)

    sys.setprofile(look)
    try:
        yield reached
    finally:
        sys.setprofile(profile)
        _watched.reset(token)


def _drawn(called: Any) -> str | None:
    """Return what a built-in function is called, when its answer depends on anything but its arguments."""
    if called in _TIME or called in _CHANCE:
        return f"{called.__module__}.{called.__name__}"
    owner = getattr(called, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, date | datetime) and called.__name__ in _CLOCKS:
        return f"{owner.__name__}.{called.__name__}"
    if isinstance(owner, random.Random):
        return f"random.{called.__name__}"
    return None


def _hook() -> None:
    """Add the audit hook, once: Python has no way to take one away. It is silent where nothing is watched."""
    global _hooked
    with _lock:
        if not _hooked:
            sys.addaudithook(_refuse)
            _hooked = True


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    reached = _watched.get()
    if reached is not None and event.startswith(_OUTSIDE):
        reached.add(event)
        raise OutsideRefused(f"a guardrail must not reach outside: {event}")
