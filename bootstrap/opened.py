"""What a process has open while it runs: settings → adapters, each closed in reverse order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from adapters.keys import load_public_keys
from adapters.live_configuration import LiveConfiguration
from adapters.store.database import Database
from adapters.store.revision import require_current
from contracts.errors import ConfigurationInvalid, TablesNotCurrent
from settings import GkeMode, Settings

if TYPE_CHECKING:
    from temporalio.contrib.opentelemetry import TracingInterceptor

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class _Closeable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=_Closeable)


@dataclass(frozen=True)
class Opened:
    """What a process has open; `stack` closes it."""

    settings: Settings
    stack: AsyncExitStack
    process: str = "worker"
    """`api` or `worker`: who audits what it loads."""
    live: list[LiveConfiguration] = field(default_factory=list)
    """The one configuration of this process, once somebody asked for it."""
    databases: list[Database] = field(default_factory=list)
    """The pools of this process; none in the agent's."""

    def keep(self, part: C) -> C:
        """Close `part` when the process ends, and return it."""
        self.stack.push_async_callback(part.close)
        return part

    def database(self) -> Database:
        """Open the pool."""
        self.databases.append(
            self.keep(Database(database_url(self.settings), self.settings.database.pool_size))
        )
        return self.databases[-1]

    async def require_current_tables(self) -> None:
        """Look once at the tables, where this process has a database: before it serves anything.

        A database that cannot be asked now does not keep the process from starting: whoever needs it tries again.

        Raises:
            TablesNotCurrent: the tables are of another version.
        """
        for database in self.databases[:1]:
            try:
                await require_current(database)
            except TablesNotCurrent:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it answers, the tables are not known to be wrong
                _log.warning("the version of the tables is not known", error=type(error).__name__)

    def public_keys(self) -> dict[str, str]:
        """Return the keys under which decisions are believed."""
        named = required(
            self.settings.keys.decision_public, "SLUICE_KEYS__DECISION_PUBLIC", "public keys in PEM form"
        )
        return load_public_keys(named)

    def configuration(self) -> LiveConfiguration:
        """Return what the operator declares; everybody in this process is given the same."""
        if not self.live:
            path = required(self.settings.config, "SLUICE_CONFIG", "the declarative YAML file")
            self.live.append(LiveConfiguration(path, self.process))
        return self.live[0]

    def judge(self) -> None:
        """Judge with the guardrails that other distributions bring, as the configuration requires.

        Raises:
            ConfigurationInvalid: one is broken, or a required one is not installed.
        """
        from guardrails.discovery import discover, insist, insisting
        from guardrails.registry import install

        configuration, extensions = self.configuration(), discover()
        insist(configuration.current, extensions)
        install(extensions)
        configuration.adopt(insisting(extensions))

    def loops(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """Return what keeps the configuration up to date; SIGHUP has it look at once. For a running event loop."""
        from adapters.dispatch.loops import restarting

        found = []
        for live in self.live:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, live.wake)
            found.append(
                restarting(
                    "configuration", partial(live.run, self.keep(Database(database_url(self.settings), 1)))
                )
            )
        return tuple(found)

    def mode(self) -> GkeMode:
        """Return where effects go. There is no default: nobody should change Google's pools by omission."""
        return required(self.settings.gke.mode, "SLUICE_GKE__MODE", "practice, endpoint or google")


def required(value: T | None, name: str, what: str) -> T:
    """Return a setting that has no safe default.

    Raises:
        ConfigurationInvalid: it is not set.
    """
    if value is None:
        raise ConfigurationInvalid(f"{name} is not set: it names {what}")
    return value


def database_url(settings: Settings) -> str:
    """Return the database's URL, password included.

    Raises:
        ConfigurationInvalid: it is not set.
    """
    url = required(settings.database.url, "SLUICE_DATABASE__URL", "a PostgreSQL database")
    return url.get_secret_value()


def tracing() -> TracingInterceptor:
    """Carries the trace through Temporal's headers: one trace from request to effect."""
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return TracingInterceptor()


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(stop.set))
    return stop
