"""GUARDRAILS of one's own, found: entry points of the group `sluice.guardrails` among the installed distributions.

Done once, when a process that judges starts. Nothing is skipped: a guardrail that is broken, is none, or cannot be
told from another keeps the process from starting, because a gate that silently is not there is an open one.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

from contracts.configuration import BypassableGate, Configuration
from contracts.errors import ConfigurationInvalid
from guardrails import samples
from guardrails.evaluate import is_sound
from guardrails.extension import (
    GROUP,
    Extension,
    declaration_faults,
    declared_by,
    extension_name,
    normalised,
)

_TELLING = (ImportError, AttributeError, SyntaxError)
"""Errors whose words say what is wrong with the distribution, and hold nothing of its data."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One distribution that has entry points of the group."""

    name: str
    version: str
    entries: tuple[EntryPoint, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def discover(among: Iterable[Distribution] | None = None) -> tuple[Extension, ...]:
    """Return every guardrail that installed distributions bring, by name. Imports them.

    Args:
        among: where to look; without it, everything on `sys.path`.

    Raises:
        ConfigurationInvalid: one is broken, is no guardrail, or there are two of a name. The distribution is named.
    """
    found: dict[str, _Found] = {}
    for distribution in distributions() if among is None else among:
        declared = _declared(distribution)
        if declared is None:
            continue
        other = found.setdefault(declared.name, declared)
        if other != declared:
            raise ConfigurationInvalid(
                f"{declared.name} brings guardrails and is installed twice, as {other.version} and "
                f"{declared.version}: remove one"
            )
    loaded = [_loaded(one, entry) for one in found.values() for entry in one.entries]
    return tuple(sorted(loaded, key=lambda one: one.name))


def insist(configuration: Configuration, extensions: Iterable[Extension]) -> None:
    """See to it that what the configuration requires is there.

    Raises:
        ConfigurationInvalid: a required guardrail is not installed, or break-glass is to open one of one's own that is
            not installed or declares nothing as bypassable.
    """
    extensions = tuple(extensions)
    present = {one.name for one in extensions}
    missing = [name for name in configuration.guardrails.required if name not in present]
    if missing:
        there = ", ".join(sorted(present)) or "none"
        raise ConfigurationInvalid(
            f"guardrails.required names {', '.join(missing)}, which is not installed; installed: {there}"
        )
    openable = {one.name for one in extensions if one.bypassable}
    gates = [one for one in configuration.break_glass.gates if not isinstance(one, BypassableGate)]
    closed = [name for name in gates if name not in openable]
    if closed:
        raise ConfigurationInvalid(
            f"break_glass.gates names {', '.join(closed)}, which is not installed or declares nothing as bypassable"
        )


def insisting(extensions: tuple[Extension, ...]) -> Callable[[Configuration], Callable[[], None]]:
    """Return what judges another configuration while the process runs: refused when it requires what is not there."""

    def adopt(configuration: Configuration) -> Callable[[], None]:
        insist(configuration, extensions)
        return _nothing_to_do

    return adopt


def _nothing_to_do() -> None:
    """What is installed stays: the configuration names it and does not change it."""


def _declared(distribution: Distribution) -> _Found | None:
    text = distribution.read_text("entry_points.txt")
    if text is None or GROUP not in text:
        return None
    try:
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        entries = tuple(one for one in distribution.entry_points if one.group == GROUP)
    except Exception as error:
        raise ConfigurationInvalid(
            f"a distribution that names {GROUP} in its entry_points.txt cannot be read: {_cause(error)}"
        ) from error
    if not name or not version:
        raise ConfigurationInvalid(f"a distribution without name or version brings {GROUP}: reinstall it")
    twice = [entry for entry, count in Counter(one.name for one in entries).items() if count > 1]
    if twice:
        raise ConfigurationInvalid(f"{name} {version} names the guardrail {', '.join(twice)} twice")
    return _Found(normalised(name), version, entries) if entries else None


def _loaded(found: _Found, entry: EntryPoint) -> Extension:
    told = f"the guardrail {entry.name!r} of {found}"
    try:
        name = extension_name(found.name, entry.name)
    except ValueError as error:
        raise ConfigurationInvalid(f"{told}: {error}") from error
    try:
        decide = entry.load()
    except (Exception, SystemExit) as error:
        raise ConfigurationInvalid(f"{told} cannot be imported: {_cause(error)}") from error
    for wrong in _faults(decide, name):
        raise ConfigurationInvalid(f"{told} is none: {wrong}")
    return Extension(
        name=name,
        distribution=found.name,
        version=found.version,
        decide=decide,
        bypassable=declared_by(decide),
    )


def _faults(decide: Any, name: str) -> Iterator[str]:
    """Yield what keeps an object from being a guardrail; the first is enough."""
    if not callable(decide) or inspect.isclass(decide):
        yield f"it is a {type(decide).__name__}, not a function from Facts to Verdict"
        return
    if inspect.iscoroutinefunction(decide) or inspect.isgeneratorfunction(decide):
        yield "it must answer at once: no coroutine, no generator"
    try:
        inspect.signature(decide).bind(None)
    except (TypeError, ValueError):
        yield "it must take the facts as its one argument"
        return
    yield from declaration_faults(decide)
    try:
        answer = Extension(name, "", "", decide)(samples.facts())
    except Exception as error:  # noqa: BLE001  whatever it raises over sound facts, it would deny every change
        yield f"it fails over sound facts: {_cause(error)}"
        return
    if not is_sound(answer, name):
        yield f"its verdict must say guardrail={name!r} and hold what its outcome needs"


def _cause(error: BaseException) -> str:
    told = isinstance(error, _TELLING)
    return f"{type(error).__name__}: {error}" if told else type(error).__name__
