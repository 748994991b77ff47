"""Local stack: start a program that cannot outlive the process that started it.

Runs in two places. Imported, `bound_command` wraps a command line. As a script (`python -I -S bound.py …`) it
is the thin layer between fork and exec: drop to an unprivileged account, ask the kernel for a signal when the
parent dies, check that the parent is still there, then become the program. A script of its own instead of
`preexec_fn`, because code between fork and exec may deadlock in a process with threads.

Linux only for the parent-death signal (prctl(2), PR_SET_PDEATHSIG); elsewhere the program is started plainly.
The kernel watches the *thread* that forked, so start children from a thread that lives as long as the process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_KEEP = "-"


class Account(NamedTuple):
    """An operating system account by its numbers."""

    uid: int
    gid: int


def bound_command(
    command: list[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    account: Account | None = None,
) -> list[str]:
    """`command`, wrapped so that it gets `death_signal` when the calling process dies.

    The process keeps its pid through the wrapper. `account` is entered first; only root can do that.
    """
    identity = [str(account.uid), str(account.gid)] if account else [_KEEP, _KEEP]
    return [
        sys.executable,
        "-I",
        "-S",
        os.path.abspath(__file__),  # noqa: PTH100 -- pathlib is not worth its import time in the script
        str(os.getpid()),
        str(int(death_signal)),
        *identity,
        *command,
    ]


def _become(parent: int, death_signal: int, uid: str, gid: str, command: list[str]) -> None:
    os.umask(0o077)
    if uid != _KEEP:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After the change of identity: that clears the setting (prctl(2)).
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            sys.exit("the supervisor died before this part started")
    try:
        os.execvp(command[0], command)  # noqa: S606 -- becoming the program is the purpose
    except OSError as cause:
        sys.exit(f"{command[0]} cannot be started: {cause.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
