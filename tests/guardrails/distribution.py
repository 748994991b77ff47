"""A small distribution on disk, as an installer would leave it: a package, and its metadata in *.dist-info."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guardrails import registry

GUARDRAIL = """
from guardrails.answers import Answers

ANSWER = Answers({name!r}, revision="3")

def decide(facts):
    {body}
"""
ALLOW = 'return ANSWER.allow("tidy", "Fine.")'
DENY = 'return ANSWER.deny("tidy", "untidy", "Not like this.")'


def installed(
    site: Path,
    name: str = "acme-freeze",
    *,
    version: str = "1.2.0",
    package: str = "acme_freeze",
    body: str = ALLOW,
    source: str | None = None,
    entry_points: str | None = None,
    metadata: str | None = None,
) -> Path:
    """Write a distribution with one guardrail, `tidy`, below `site`; return its *.dist-info."""
    (site / package).mkdir(parents=True, exist_ok=True)
    text = GUARDRAIL.format(name=f"{name}/tidy", body=body) if source is None else source
    (site / package / "__init__.py").write_text(text)
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" if metadata is None else metadata
    (info / "METADATA").write_text(told)
    declared = f"[sluice.guardrails]\ntidy = {package}:decide\n" if entry_points is None else entry_points
    (info / "entry_points.txt").write_text(declared)
    return info


def restored() -> Iterator[None]:
    """Body of a fixture: whatever a test installs is gone after it."""
    before = registry.installed()
    yield
    registry.install(before)
