"""Which programs Sluice needs, in which versions, and what makes a found one unsuitable. Data, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple


class Version(NamedTuple):
    """Three numbers of a semantic version; what follows them is not compared."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Flawed(NamedTuple):
    """Versions that must not run, first and last one included, and why."""

    first: Version
    last: Version
    reason: str


@dataclass(frozen=True, slots=True)
class Program:
    """One program: the version we get ourselves, and how a version that is already there is judged."""

    name: str
    pinned: str
    """The version that is downloaded or built."""
    version_arguments: tuple[str, ...]
    """Arguments that make it print its version."""
    version_pattern: re.Pattern[str]
    """Finds the version that is judged in that output; three groups of digits."""
    judged: str
    """What that version is the version of."""
    minimum: Version
    flawed: tuple[Flawed, ...]
    package: str
    """The Go package that our wrapper module `tools/<name>` builds."""
    link_flags: str
    setting: str
    """The environment variable that names an explicit path."""
    substitute: str
    """The environment variable with which the program is not needed at all."""
    wrapper: str = ""
    """The folder of its wrapper module under `tools/`, where that is not the program's name."""

    def version_in(self, output: str) -> Version | None:
        """The version that `output` reports, or None when it reports none."""
        found = self.version_pattern.search(output)
        return Version(*(int(number) for number in found.groups())) if found else None

    def objection(self, version: Version) -> str | None:
        """Why `version` must not be used, or None when it may."""
        if version < self.minimum:
            return f"{self.judged} {version} is older than {self.minimum}"
        for flawed in self.flawed:
            if flawed.first <= version <= flawed.last:
                return f"{self.judged} {version} must not be used: {flawed.reason}"
        return None


_NAMESPACES = "CVE-2026-5199, its namespaces are no hard boundary"

TEMPORAL = Program(
    name="temporal",
    pinned="1.8.2",
    version_arguments=("--version",),
    version_pattern=re.compile(r"Server (\d+)\.(\d+)\.(\d+)"),
    judged="Temporal server",
    minimum=Version(1, 28, 0),
    flawed=(
        Flawed(Version(1, 29, 0), Version(1, 29, 4), _NAMESPACES),
        Flawed(Version(1, 30, 0), Version(1, 30, 2), _NAMESPACES),
    ),
    package="github.com/temporalio/cli/cmd/temporal",
    link_flags="-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=1.8.2",
    setting="SLUICE_PROGRAMS__TEMPORAL",
    substitute="SLUICE_TEMPORAL__ADDRESS",
)

OPA = Program(
    name="opa",
    pinned="1.22.0",
    version_arguments=("version",),
    version_pattern=re.compile(r"^Version: (\d+)\.(\d+)\.(\d+)", re.MULTILINE),
    judged="OPA",
    minimum=Version(1, 0, 0),
    flawed=(),
    package="github.com/open-policy-agent/opa",
    link_flags="-s -w",
    setting="SLUICE_PROGRAMS__OPA",
    substitute="SLUICE_OPA__URL",
)

PROGRAMS: dict[str, Program] = {program.name: program for program in (TEMPORAL, OPA)}
"""What Sluice runs: `make setup` gets these."""

TOXIPROXY = Program(
    name="toxiproxy-server",
    pinned="2.12.0",
    version_arguments=("-version",),
    version_pattern=re.compile(r"version (\d+)\.(\d+)\.(\d+)"),
    judged="Toxiproxy",
    minimum=Version(2, 5, 0),
    flawed=(),
    package="github.com/Shopify/toxiproxy/v2/cmd/server",
    link_flags="-s -w -X github.com/Shopify/toxiproxy/v2.Version=2.12.0",
    setting="PATH",
    substitute="PATH",
    wrapper="toxiproxy",
)
"""Only the proof of the network runs it, and gets it then: no part of Sluice does."""
