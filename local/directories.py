"""Local stack: files and directories that only one account may enter, and short ones for unix sockets."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from local.bound import Account
from local.events import StackError

_MAX_SOCKET_PATH = 107  # sun_path holds 108 bytes with its final NUL, see unix(7)


def socket_directory(wanted: Path, socket_name: str) -> Path:
    """`wanted`, or a directory below the system's temporary one when a socket in `wanted` had too long a path.

    The same `wanted` always gives the same answer, so that addresses survive a restart.
    """
    wanted = wanted.absolute()
    if len(os.fsencode(wanted / socket_name)) <= _MAX_SOCKET_PATH:
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"sluice-{name}"


def make_private(directory: Path, account: Account | None = None) -> None:
    """Create `directory` or take it over: mode 0700, owned by `account` if given.

    Raises `StackError` when it belongs to somebody else: below a shared directory anybody could have made it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    owners = {os.geteuid(), *([account.uid] if account else [])}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise StackError(f"{directory} belongs to somebody else: remove it or choose another state directory")
    if account is not None:
        os.chown(directory, account.uid, account.gid)
    directory.chmod(0o700)


def write_private(file: Path, content: bytes) -> None:
    """Write the whole file or nothing of it, readable by its owner only."""
    temporary = file.with_name(f".{file.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        output.write(content)
        output.flush()
        os.fsync(output.fileno())
    temporary.replace(file)
