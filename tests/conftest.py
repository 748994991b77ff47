"""Real parts for every test: PostgreSQL, Temporal, OPA. Started once per session, on 127.0.0.1 or a unix socket.

| fixture | gives |
|---|---|
| `database_url` | a fresh, empty database of its own (SQLAlchemy URL, asyncpg) |
| `migrated_database_url` | the same with our tables in it: a copy of a template that is migrated once per server |
| `other_database_url` | one more with our tables, for a test that compares two |
| `any_postgres_url` | a fresh, empty database, once per PostgreSQL on this machine: the embedded one, and Debian's 15 |
| `postgres_url` | the server's maintenance database: no tables there |
| `temporal_address` | `host:port` of a dev server in memory, shared by the session: use task queues of your own |
| `temporal_binary`, `opa_binary` | paths of the programs, as `make setup` found them |
| `stack_directory` | a callable: each call gives a new directory in which a whole stack may run |
| `chromium_binary` | path of Debian's Chromium |
| `free_port` | a callable: each call gives a TCP port on 127.0.0.1 that is free now, and that no system hands out |

A test marked `postgres_15` runs on every PostgreSQL that is here, whichever of these fixtures it uses.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from adapters.store import database
from adapters.store.migrate import upgrade
from contracts.messages import SEARCH_ATTRIBUTES
from local import ports
from local.bound import bound_command
from local.postgres import SUPERUSER, PostgresServer, server_in
from local.temporal import dev_server_command
from settings import Settings
from tests.in_memory import DISK, keep_in_memory
from tests.side_by_side import BY_UNITS, ByStack, end_what_nobody_needs, put_in_order, runs_side_by_side
from tools.browser import chromium
from tools.catalogue import OPA, TEMPORAL, Program
from tools.programs import explicit_path, resolve

_EMBEDDED = "embedded"
_DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_GIVEN = "SLUICE_TESTS_POSTGRES"
"""Names the directory of a server that runs already; its template is kept for the next session (proofs/mutants)."""
_START_LIMIT = 90.0

_IN_MEMORY = keep_in_memory()

# How long an example takes says nothing on a busy machine, and one run tries what the run before it tried.
settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

# A server on a busy machine may need longer for a connection than a product should wait for it.
database.CONNECT_TIMEOUT = 30.0

# By default structlog lets Rich draw the values of all variables into each traceback, which takes up to seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "postgres_15: run on every PostgreSQL of this machine, Debian's 15 too"
    )


def pytest_unconfigure() -> None:
    if _IN_MEMORY is not None:
        shutil.rmtree(_IN_MEMORY, ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if runs_side_by_side():
        put_in_order(items)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    end_what_nobody_needs(item, nextitem)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[BY_UNITS] = node.config.getoption("dist") == "loadfile"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByStack | None:
    return ByStack(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted = "any_postgres_url" in metafunc.fixturenames or metafunc.definition.get_closest_marker(
        "postgres_15"
    )
    if wanted and "postgres_engine" in metafunc.fixturenames:
        engines = [_EMBEDDED, *(["debian-15"] if (_DEBIAN_15 / "postgres").exists() else [])]
        metafunc.parametrize("postgres_engine", engines, indirect=True, scope="session")


@contextmanager
def _running(server: PostgresServer) -> Iterator[PostgresServer]:
    server.initialise()
    log = server.data.with_name("log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            server.bound_command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        asking = [str(server.binaries / "pg_isready"), "-q", "-h", str(server.sockets)]
        _wait(lambda: subprocess.run(asking, check=False).returncode == 0, process, log)
        yield server
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(_START_LIMIT)


def _wait(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def stack_directory(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Path]]:
    """Makes directories for whole stacks outside pytest's own, kept on the disk when a test failed.

    Every start of pytest closes its own directory to other accounts, and root's PostgreSQL runs as another.
    """
    made: list[Path] = []

    def make(name: str) -> Path:
        made.append(Path(tempfile.mkdtemp(prefix=f"sluice-{name}-")))
        return made[-1]

    yield make
    for directory in made:
        if not request.session.testsfailed:
            shutil.rmtree(directory, ignore_errors=True)
        elif directory.parent != DISK:
            with suppress(shutil.Error):  # sockets
                shutil.copytree(directory, DISK / directory.name, symlinks=True)


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Callable[[str], PostgresServer]]:
    """Starts each PostgreSQL when it is first asked for and stops all of them at the end of the session."""
    given = os.environ.get(_GIVEN)
    running = {_EMBEDDED: server_in(Path(given))} if given else {}
    # Short and outside pytest's private directory: a socket path has 107 bytes, and root's server runs as another.
    root = Path(tempfile.mkdtemp(prefix="sluice-pg-"))
    # Safe for tests that kill processes; only a crash of the whole machine could lose data.
    options = {"fsync": "off", "full_page_writes": "off", "max_connections": "300", "max_wal_size": "256MB"}
    managers = []

    def start(engine: str) -> PostgresServer:
        if engine not in running:
            binaries = None if engine == _EMBEDDED else _DEBIAN_15
            manager = _running(server_in(root / engine, binaries=binaries, options=options))
            running[engine] = manager.__enter__()
            managers.append(manager)
        return running[engine]

    yield start
    for manager in reversed(managers):
        manager.__exit__(None, None, None)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_engine(
    request: pytest.FixtureRequest, postgres_servers: Callable[[str], PostgresServer]
) -> PostgresServer:
    """The running server behind the URL fixtures."""
    return postgres_servers(getattr(request, "param", _EMBEDDED))


@pytest.fixture(scope="session")
def postgres_url(postgres_engine: PostgresServer) -> str:
    return postgres_engine.url()


@pytest.fixture
def database_url(postgres_engine: PostgresServer) -> Iterator[str]:
    with _database(postgres_engine, template="template0") as url:
        yield url


@pytest.fixture(scope="session")
def migrated_templates(postgres_servers: Callable[[str], PostgresServer]) -> Callable[[PostgresServer], str]:
    """Names of databases with our tables, one per server, migrated when it is first asked for."""
    made: dict[Path, str] = {}

    def template(server: PostgresServer) -> str:
        if server.data not in made:
            is_given = server.data.parent == Path(os.environ.get(_GIVEN, os.devnull))
            name = "template_given" if is_given else f"template_{uuid.uuid4().hex}"
            if is_given and name in _sql(server, "SELECT datname FROM pg_database"):
                made[server.data] = name
                return name
            _sql(server, f"CREATE DATABASE {name} TEMPLATE template0")
            # In a thread of its own: what asks may run in an event loop.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, upgrade(server.url(name))).result()
            made[server.data] = name
        return made[server.data]

    return template


@pytest.fixture(scope="session")
def migrated_template(
    postgres_engine: PostgresServer, migrated_templates: Callable[[PostgresServer], str]
) -> str:
    """Name of a database with our tables, to be copied and never changed."""
    return migrated_templates(postgres_engine)


@pytest.fixture
def migrated_database_url(postgres_engine: PostgresServer, migrated_template: str) -> Iterator[str]:
    with _database(postgres_engine, template=migrated_template) as url:
        yield url


@pytest.fixture
def other_database_url(postgres_engine: PostgresServer, migrated_template: str) -> Iterator[str]:
    with _database(postgres_engine, template=migrated_template) as url:
        yield url


@contextmanager
def _database(server: PostgresServer, template: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    _sql(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield server.url(name)
    finally:
        _sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def any_postgres_url(database_url: str) -> str:
    return database_url


def _sql(server: PostgresServer, statement: str) -> str:
    command = [
        str(server.binaries / "psql"),
        "-X",
        "-q",
        "-h",
        str(server.sockets),
        "-U",
        SUPERUSER,
        "-c",
        statement,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _program(program: Program) -> Path:
    settings = Settings()
    explicit = explicit_path(settings.programs, program)
    return resolve(program, state_dir=settings.state_dir, explicit=explicit).path


@pytest.fixture(scope="session")
def temporal_binary() -> Path:
    return _program(TEMPORAL)


@pytest.fixture(scope="session")
def opa_binary() -> Path:
    return _program(OPA)


@pytest.fixture(scope="session")
def chromium_binary() -> Path:
    """The system's Chromium: browsers need more than one file, so it is installed, not unpacked."""
    found = chromium()
    if found is None:
        raise RuntimeError("no Chromium: run `make browser`")
    return found


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return ports.free_port


@pytest.fixture(scope="session")
def temporal_address(
    temporal_binary: Path, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    port = free_port()
    address = f"127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("temporal") / "log"
    command = bound_command(dev_server_command(temporal_binary, port=port))
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    asking = [str(temporal_binary), "operator", "search-attribute", "list", "--address", address]

    def knows_our_attributes() -> bool:
        answer = subprocess.run(
            [*asking, "--command-timeout", "2s"], check=False, capture_output=True, text=True
        )
        return all(name in answer.stdout for name in SEARCH_ATTRIBUTES)

    try:
        _wait(knows_our_attributes, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(_START_LIMIT)
