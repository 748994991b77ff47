"""Keeps the declarative file in force while a process runs: re-read when it changes, swapped whole or not at all.

A file that is wrong, half-written or gone is refused with line and reason, and the last good one stays in force. Both
are logged and audited, never with a secret.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from adapters import configuration as files
from adapters.configuration import Fault, InvalidFile
from adapters.store import audit_log
from adapters.store.database import Database
from adapters.waking import set_within
from contracts.audit import AuditEvent, AuditType
from contracts.base import utc_now
from contracts.configuration import Configuration
from contracts.errors import ConfigurationInvalid, StoreUnavailable
from contracts.principal import service

PERIOD = timedelta(seconds=5)
"""Between two looks at the file."""
SETTLE = timedelta(seconds=1)
"""New content counts once it was the same for this long: whoever writes it may not be done."""
MOST_FAULTS = 20
"""Faults of one refused file that are kept."""
_MOST_REASON = 300

Adopter = Callable[[Configuration], Callable[[], None]]
"""Prepares to work with another configuration, and returns what puts it in force; that must not fail.

Raises:
    ConfigurationInvalid: something that the configuration names is wrong; then nothing of it comes into force.
"""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is in force."""

    configuration: Configuration
    at: datetime

    @property
    def revision(self) -> str:
        """The configuration's own: evaluations name the same."""
        return self.configuration.revision


@dataclass(frozen=True, slots=True)
class Refused:
    """A newer file that is not in force, and why."""

    revision: str
    """`sha256:<64 hex>` over the bytes of the file; empty where it cannot be read."""
    at: datetime
    faults: tuple[Fault, ...]


class LiveConfiguration:
    """A `ConfigurationSource` over a file. `run` keeps it up to date; `current` never blocks and never fails."""

    def __init__(
        self, path: Path, process: str, *, period: timedelta = PERIOD, settle: timedelta = SETTLE
    ) -> None:
        """Read the file for the first time. `process` (`api`, `worker`) is named in logs and audit.

        Raises:
            ConfigurationInvalid: it is wrong: a process does not start without a good one.
        """
        self._path = path
        self._process = process
        self._period = period
        self._settle = settle
        self._adopters: list[Adopter] = []
        self._refused: Refused | None = None
        self._untold: list[AuditEvent] = []
        self._woken = asyncio.Event()
        content = files.read(path)
        found = files.parse(files.decoded(content, path), str(path))
        self._loaded = Loaded(found, utc_now())
        self._handled = self._seen = self._fingerprint(content)
        self._tell(AuditType.CONFIGURATION_LOADED, self._loaded.revision, {"previous": None})

    @property
    def current(self) -> Configuration:
        """What is in force now."""
        return self._loaded.configuration

    @property
    def directory(self) -> Path:
        """Where the file is: what it names by a relative path counts from here."""
        return self._path.parent

    @property
    def loaded(self) -> Loaded:
        """What is in force now, with its revision."""
        return self._loaded

    @property
    def refused(self) -> Refused | None:
        """The newer file that is refused, while it stands."""
        return self._refused

    def adopt(self, adopter: Adopter) -> None:
        """Have a part follow every change from now on. It was made from `current` itself."""
        self._adopters.append(adopter)

    def wake(self) -> None:
        """Look at the file now. SIGHUP does this."""
        self._woken.set()

    async def run(self, database: Database) -> None:
        """Look at the file again and again, and audit what came of it, until cancelled."""
        while True:
            await self._audit(database)
            unsettled = await self.look()
            await self._audit(database)
            pause = self._settle if unsettled else self._period
            if not await set_within(self._woken, pause.total_seconds()):
                continue
            self._woken.clear()
            await asyncio.sleep(self._settle.total_seconds())

    async def look(self) -> bool:
        """Look at the file once. True: it changed since the last look, so look again before it counts."""
        content = await asyncio.to_thread(self._read)
        fingerprint = self._fingerprint(content)
        if fingerprint == self._handled and self._refused is None:
            self._seen = fingerprint
            return False
        if fingerprint != self._seen:
            self._seen = fingerprint
            return True
        # A refused file is judged again: what it names, a secret for example, may have come meanwhile.
        try:
            found = await asyncio.to_thread(self._judge, content)
            steps = [adopter(found) for adopter in self._adopters]
        except ConfigurationInvalid as error:
            self._refuse(_revision(content) if content is not None else "", _faults(error))
        else:
            for put_in_force in steps:
                put_in_force()
            self._put_in_force(found)
        # The files that the configuration names may be other ones now.
        self._handled = self._seen = self._fingerprint(content)
        return False

    def _read(self) -> bytes | None:
        try:
            return files.read(self._path)
        except ConfigurationInvalid:
            return None

    def _judge(self, content: bytes | None) -> Configuration:
        if content is None:
            raise ConfigurationInvalid(f"{self._path}: cannot be read")
        text = files.decoded(content, self._path)
        found = files.parse(text, str(self._path))
        if not text.endswith("\n"):
            last = text.count("\n") + 1
            raise self._invalid(last, "", "the last line has no end: the file may be half-written")
        if found.tenant != self.current.tenant:
            raise self._invalid(1, "tenant", "cannot change while the process runs: restart it")
        for section in sorted(self.current.model_fields_set - found.model_fields_set):
            reason = "was there before: write it with nothing in it to have none, the file may be cut off"
            raise self._invalid(1, section, reason)
        return found

    def _invalid(self, line: int, where: str, reason: str) -> InvalidFile:
        return InvalidFile(str(self._path), [Fault(line, where, reason)])

    def _put_in_force(self, found: Configuration) -> None:
        previous, self._refused = self._loaded.revision, None
        self._loaded = Loaded(found, utc_now())
        revision = self._loaded.revision
        logger.info("configuration.loaded", process=self._process, revision=revision)
        self._tell(AuditType.CONFIGURATION_LOADED, revision, {"previous": previous})

    def _refuse(self, revision: str, faults: tuple[Fault, ...]) -> None:
        if self._refused is not None and (self._refused.revision, self._refused.faults) == (revision, faults):
            return
        self._refused = Refused(revision, utc_now(), faults)
        told = [asdict(one) for one in faults]
        logger.error("configuration.refused", process=self._process, revision=revision, faults=told)
        in_force = self._loaded.revision
        self._tell(
            AuditType.CONFIGURATION_REFUSED, revision or "unreadable", {"in_force": in_force, "faults": told}
        )

    def _tell(self, kind: AuditType, subject: str, more: dict[str, object]) -> None:
        payload: dict[str, object] = {"process": self._process, "revision": subject, **more}
        tenant, actor = self.current.tenant, service(f"sluice-{self._process}")
        self._untold.append(
            audit_log.event(kind, tenant=tenant, subject=subject, actor=actor, payload=payload)
        )

    async def _audit(self, database: Database) -> None:
        """Write what is not written yet. Without a database it waits for the next look; nothing is lost meanwhile."""
        if not self._untold:
            return
        events = tuple(self._untold)
        try:
            async with database.transaction() as connection:
                await audit_log.append_again(connection, *events)
        except StoreUnavailable:
            return
        del self._untold[: len(events)]

    def _fingerprint(self, content: bytes | None) -> tuple[object, ...]:
        """Return what changes whenever the file, or one that the configuration in force names, does."""
        return (
            "" if content is None else _revision(content),
            *map(_stamp, _named_in(self.current, self._path.parent)),
        )


def _named_in(configuration: Configuration, directory: Path) -> list[Path]:
    calendars = [directory / one.calendar for one in configuration.windows if one.calendar is not None]
    table = configuration.prices.table
    tables = [directory / table] if table is not None else []
    return [*(Path(one.secret_file) for one in configuration.notifications), *calendars, *tables]


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _revision(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _faults(error: ConfigurationInvalid) -> tuple[Fault, ...]:
    found = error.faults if isinstance(error, InvalidFile) else (Fault(1, "", str(error)),)
    return tuple(replace(one, reason=one.reason[:_MOST_REASON]) for one in found[:MOST_FAULTS])
