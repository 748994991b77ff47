"""Where a proof on real parts works: the programs it starts, and a directory that stays when something is wrong."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from proofs.report import Report, conclude, say
from settings import Settings
from tests.e2e.stack import Programs
from tools.catalogue import OPA, TEMPORAL
from tools.programs import explicit_path, resolve


@cache
def programs() -> Programs:
    """Find the programs that are no Python, or build them the first time. PostgreSQL comes with the libraries."""
    settings = Settings()
    temporal, opa = (
        resolve(one, state_dir=settings.state_dir, explicit=explicit_path(settings.programs, one)).path
        for one in (TEMPORAL, OPA)
    )
    return Programs(temporal, opa)


@dataclass
class Workplace:
    """A directory of one run, in which whatever it starts writes its logs."""

    directory: Path
    is_well: bool = False
    """Whether a report was reached, and holds."""

    def conclude(self, report: Report, file: Path | None = None) -> int:
        """End with a report, as `proofs.report.conclude` does; where it does not hold, the directory is kept."""
        self.is_well = report.holds
        return conclude(report, file)


@contextmanager
def workplace(name: str) -> Iterator[Workplace]:
    """Yield a place to work. At its end it is removed when all was well, else kept and named."""
    # Not below the private directory of anybody: root's PostgreSQL runs under another account.
    place = Workplace(Path(tempfile.mkdtemp(prefix=f"sluice-{name}-")))
    try:
        yield place
    except KeyboardInterrupt:
        place.is_well = True
        raise
    finally:
        if place.is_well:
            shutil.rmtree(place.directory, ignore_errors=True)
        else:
            say(f"what was left behind is in {place.directory}")
