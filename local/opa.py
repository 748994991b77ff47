"""Local stack: Open Policy Agent over a bundle of the repository's policies, made anew whenever they change.

OPA watches the bundle and takes a new one whole, between two questions. What does not compile, or has limits that are
not whole, is reported and never becomes a bundle: the last good one stays in force.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.configuration import load
from adapters.opa.bundle import build_bundle, revision_in
from adapters.opa.limits import check_limits
from adapters.opa.sources import POLICIES, policy_files, revision_of, snapshot_policies
from contracts.errors import ConfigurationInvalid
from local.events import Report, StackEvent, StackEventKind

__all__ = [
    "POLICIES",
    "follow_policies",
    "pack_policies",
    "policy_files",
    "server_command",
    "snapshot_policies",
]

LOOK_EVERY = 1.0
"""Seconds between two looks at the policies' files."""


def server_command(program: Path, *, policies: Path, socket: Path) -> list[str]:
    """Command line of a server on a unix socket, over the bundle in `policies`: a file or a directory."""
    return [
        str(program), "run", "--server", "--addr", f"unix://{socket}", "--unix-socket-perm", "700",
        "--log-level", "error", "--skip-version-check", "--watch", "--bundle", str(policies),
    ]  # fmt: skip


def pack_policies(
    program: Path, bundle: Path, source: Path = POLICIES, configuration: Path | None = None
) -> StackEvent:
    """Make the bundle of `source`, and say so. With flaws in `source` an older bundle stays as it is.

    Limits for environments that `configuration` does not declare are told, and no flaw: the shipped ones name two.

    Raises:
        ConfigurationInvalid: there are flaws, and no older bundle.
    """
    try:
        made = build_bundle(program, bundle, source=source)
    except ConfigurationInvalid as flaws:
        if not bundle.exists():
            raise
        return StackEvent(StackEventKind.NOTE, "opa", f"the last good policies stay in force. {flaws}")
    told = f"{len(made.policies)} policies at {made.revision[:19]}"
    return StackEvent(StackEventKind.NOTE, "opa", told + _without_effect(source, configuration))


def _without_effect(source: Path, configuration: Path | None) -> str:
    if configuration is None:
        return ""
    try:
        environments = load(configuration).environments
    except ConfigurationInvalid:
        return ""  # Whoever works by it tells.
    try:
        check_limits(source, environments)
    except ConfigurationInvalid as told:
        return f". These limits hold nothing here: {told}"
    return ""


async def follow_policies(
    program: Path,
    bundle: Path,
    report: Report,
    source: Path = POLICIES,
    configuration: Path | None = None,
    *,
    every: float = LOOK_EVERY,
) -> None:
    """Make the bundle anew whenever a file of `source` changes, until cancelled."""
    packed = await asyncio.to_thread(revision_in, bundle)
    while True:
        await asyncio.sleep(every)
        seen = await _revision(source)
        if seen is None or seen == packed:
            continue
        try:
            report(await asyncio.to_thread(pack_policies, program, bundle, source, configuration))
        except ConfigurationInvalid as flaws:
            report(StackEvent(StackEventKind.NOTE, "opa", str(flaws)))
        packed = seen


async def _revision(source: Path) -> str | None:
    """The revision of the files as they are; None while one comes or goes."""
    try:
        return await asyncio.to_thread(revision_of, source)
    except OSError:
        return None
