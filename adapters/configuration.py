"""Reads the declarative file that `SLUICE_CONFIG` names, and says of every fault where it stands and why it is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from adapters.prices.price_table import PriceTable
from contracts.configuration import API_OR_CLI, SAID_BY_CALLERS, Configuration
from contracts.configuration.agents import SHIPPED_AGENTS, is_known_agent
from contracts.configuration.values import is_time_zone
from contracts.errors import ConfigurationInvalid

_MOST_BYTES = 1_000_000
_MOST_NODES = 100_000
"""Nodes after aliases are followed: a few hundred bytes of YAML can name billions."""
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_MISREAD = re.compile(r".*:.*|[-+]?0[0-9_]+")
_MERGE, _NULL = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:null"
_KEY = "[key]"
"""What pydantic puts behind a key that is wrong itself."""
Model = TypeVar("Model", bound=BaseModel)
_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong."""

    line: int
    """Line in the file, from 1."""
    where: str
    """Path of the key, for example `targets[0].environment`; empty for the whole file."""
    reason: str
    file: str = ""
    """Empty for the declarative file itself, else a file that it names."""


class InvalidFile(ConfigurationInvalid):
    """The declarative file is wrong. The message has a line `file:line: key: reason` per fault."""

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        """Word the message from the faults, in the order of their lines."""
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(_worded(name, fault) for fault in self.faults))


def load(path: Path) -> Configuration:
    """Read and validate a file.

    Raises:
        ConfigurationInvalid: it cannot be read, is not YAML, or holds faults; all of them are named at once.
    """
    return parse(decoded(read(path), path), str(path))


def read(path: Path) -> bytes:
    """Return the bytes of a file of bearable size.

    Raises:
        ConfigurationInvalid: it cannot be read, or is too large.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(f"{path}: cannot be read") from error
    if len(content) > _MOST_BYTES:
        raise ConfigurationInvalid(f"{path}: is larger than {_MOST_BYTES} bytes")
    return content


def decoded(content: bytes, path: Path) -> str:
    """Return the text of a file.

    Raises:
        ConfigurationInvalid: it is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationInvalid(f"{path}: is not UTF-8") from error


def parse(text: str, name: str = "configuration") -> Configuration:
    """Validate the text of a file; `name` stands for the file in messages.

    Raises:
        ConfigurationInvalid: as for `load`.
    """
    root, plain = _read(text, name)
    directory = Path(name).parent
    faults = [*_duplicate_keys(root), *_misread_numbers(root)]
    faults += [*_calendars(root, plain, directory), *_price_table(root, plain, directory)]
    blank = [*_blank_values(root)]
    try:
        parsed = Configuration.model_validate(plain)
    except ValidationError as error:
        faults += [*_undeclared_environments(root), *_misspelt_in_rules(root)]
        # A fault of the file as a whole has no place of its own; one that we placed ourselves is not said twice.
        found = [_fault(root, one) for one in error.errors() if one["loc"] or not faults]
        said = {one.where for one in found}
        raise InvalidFile(name, faults + found + [one for one in blank if one.where not in said]) from error
    if faults or blank:
        raise InvalidFile(name, faults + blank)
    return parsed


def read_as(model: type[Model], text: str, name: str, told: Mapping[str, Any] | None = None) -> Model:
    """Validate the text of another YAML file of ours against `model`, with the same care.

    `told` is what the model's validators may know beside the file.

    Raises:
        ConfigurationInvalid: as for `load`.
    """
    root, plain = _read(text, name)
    faults = [*_duplicate_keys(root), *_misread_numbers(root)]
    try:
        parsed = model.model_validate(plain, context=told)
    except ValidationError as error:
        raise InvalidFile(name, faults + [_fault(root, one) for one in error.errors()]) from error
    if faults:
        raise InvalidFile(name, faults)
    return parsed


def undeclared(name: str, declared: Iterable[str], what: str) -> str:
    """Word that nobody declared the name, with the one that was probably meant."""
    near = get_close_matches(name, list(declared), 1)
    meant = f": was {near[0]!r} meant?" if near else ""
    return f"{name!r} is not one of the {what}{meant}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file."""
    schema = Configuration.model_json_schema(mode="validation")
    return {"$schema": _SCHEMA, **schema, "title": "Sluice configuration"}


def _read(text: str, name: str) -> tuple[yaml.Node, Any]:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise InvalidFile(name, [Fault(1, "", "the file is empty")])
        if not _is_bounded(root):
            raise InvalidFile(name, [Fault(1, "", "is too large, or nested in itself")])
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "is not YAML"
        raise InvalidFile(name, [Fault(mark.line + 1 if mark else 1, "", reason)]) from error
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        # The library trips over values that do not fit their tag, and descends as deep as the file does.
        raise InvalidFile(name, [Fault(1, "", "is not YAML")]) from error


def _is_bounded(root: yaml.Node) -> bool:
    waiting, seen = [root], 0
    while waiting and seen <= _MOST_NODES:
        seen += 1
        waiting.extend(_children(waiting.pop()))
    return not waiting


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _duplicate_keys(node: yaml.Node, where: str = "") -> Iterator[Fault]:
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            path = f"{where}.{name}" if where else name
            if key.tag != _MERGE and name in first:
                yield Fault(_line(key), path, f"is given twice; the first time on line {first[name]}")
            first.setdefault(name, _line(key))
            yield from _duplicate_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicate_keys(item, f"{where}[{index}]")


def _blank_values(node: yaml.Node, where: str = "") -> Iterator[Fault]:
    """A limit that somebody began to write would be none, and a name that is missing would stand for all."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = f"{where}.{key.value}" if where else str(key.value)
            if value.tag == _NULL:
                yield Fault(_line(key), path, "is blank: give it a value or leave it out")
            yield from _blank_values(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _blank_values(item, f"{where}[{index}]")


def _misread_numbers(node: yaml.Node, where: str = "") -> Iterator[Fault]:
    """`12:00` is 720 in YAML 1.1, which is 12 minutes where somebody meant 12 hours; `010` is 8."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _misread_numbers(value, f"{where}.{key.value}" if where else str(key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _misread_numbers(item, f"{where}[{index}]")
    elif node.tag in _NUMBERS and _MISREAD.fullmatch(node.value):
        yield Fault(
            _line(node), where, f"YAML reads {node.value} to another base: write a plain number, or quote it"
        )


def _calendars(root: yaml.Node, plain: Any, directory: Path) -> Iterator[Fault]:
    """Put the events of every calendar that a window names beside its name."""
    windows = plain.get("windows") if isinstance(plain, dict) else None
    for index, window in enumerate(windows if isinstance(windows, list) else ()):
        if not isinstance(window, dict):
            continue
        if "events" in window:
            line = _line(_at(_entry(root, "windows", index), "events") or root)
            yield Fault(line, f"windows[{index}].events", "this key is not known")
        named, zone = window.get("calendar"), window.get("time_zone")
        if not isinstance(named, str) or not named or not is_time_zone(zone):
            continue
        # Only where there is a calendar: to load what reads one takes longer than to read all the rest.
        from adapters import calendar_file

        file = directory / named
        try:
            window["events"] = calendar_file.events_of(decoded(read(file), file), zone)
        except calendar_file.CalendarFault as fault:
            yield Fault(fault.line, fault.where, fault.reason, str(file))
        except ConfigurationInvalid as error:
            line = _line(_at(_entry(root, "windows", index), "calendar") or root)
            yield Fault(line, f"windows[{index}].calendar", str(error))


def _price_table(root: yaml.Node, plain: Any, directory: Path) -> Iterator[Fault]:
    """Read it where no price is asked for, too: what one process refuses is in force in no other."""
    prices = plain.get("prices") if isinstance(plain, dict) else None
    table = prices.get("table") if isinstance(prices, dict) else None
    if not isinstance(table, str) or not table:
        return
    try:
        PriceTable.load(directory / table)
    except ConfigurationInvalid as error:
        yield Fault(_line(_at(root, "prices", "table") or root), "prices.table", str(error))


def _entry(root: yaml.Node, section: str, index: int) -> yaml.Node | None:
    entries = _at(root, section)
    return entries.value[index] if isinstance(entries, yaml.SequenceNode) else None


def _undeclared_environments(root: yaml.Node) -> Iterator[Fault]:
    environments = _at(root, "environments")
    if not isinstance(environments, yaml.MappingNode):
        return
    declared = {str(key.value) for key, _ in environments.value}
    for section, path in (
        ("targets", ("environment",)),
        ("budgets", ("scope", "environment")),
        ("windows", ("scope", "environment")),
    ):
        entries = _at(root, section)
        for index, entry in enumerate(entries.value if isinstance(entries, yaml.SequenceNode) else ()):
            named = _at(entry, *path)
            if isinstance(named, yaml.ScalarNode) and named.value not in declared:
                where = f"{section}[{index}].{'.'.join(path)}"
                yield Fault(_line(named), where, undeclared(named.value, declared, "environments"))


def _misspelt_in_rules(root: yaml.Node) -> Iterator[Fault]:
    environments, agents = _keys(_at(root, "environments")), _keys(_at(root, "agents"))
    teams = {_text(_at(target, "team")) for target in _items(_at(root, "targets"))}
    for section in ("rules", "automatic"):
        for index, rule in enumerate(_items(_at(root, "approval", section))):
            where, when = f"approval.{section}[{index}].when", _at(rule, "when")
            for named in _items(_at(when, "environments")):
                if _text(named) not in environments:
                    reason = undeclared(_text(named), environments, "environments")
                    yield Fault(_line(named), f"{where}.environments", reason)
            for named in _items(_at(when, "teams")):
                if _text(named) not in teams:
                    yield Fault(_line(named), f"{where}.teams", f"no target belongs to {_text(named)!r}")
            for named in _items(_at(when, "agents")):
                if not is_known_agent(_text(named), agents):
                    reason = undeclared(_text(named), {*agents, *SHIPPED_AGENTS}, "agents")
                    yield Fault(_line(named), f"{where}.agents", reason)
            channels = _items(_at(when, "channels"))
            if len(SAID_BY_CALLERS.intersection(map(_text, channels))) == 1:
                yield Fault(_line(channels[0]), f"{where}.channels", API_OR_CLI)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _keys(node: yaml.Node | None) -> set[str]:
    return {str(key.value) for key, _ in node.value} if isinstance(node, yaml.MappingNode) else set()


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _at(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    for step in path:
        found = _step(node, step) if node is not None else None
        node = found[0] if found else None
    return node


def _fault(root: yaml.Node, error: ErrorDetails) -> Fault:
    node, where, known = root, "", True
    line = _line(root)
    for step in error["loc"]:
        if step == _KEY:
            continue
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else str(step)
        found = _step(node, step) if known else None
        known = found is not None
        if found is not None:
            node, line = found
    reason = "this key is not known" if error["type"] == "extra_forbidden" else error["msg"]
    return Fault(line, where, reason.removeprefix("Value error, "))


def _step(node: yaml.Node, step: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], _line(node.value[step])
    if isinstance(node, yaml.MappingNode):
        return next(((value, _line(key)) for key, value in node.value if str(key.value) == str(step)), None)
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _worded(name: str, fault: Fault) -> str:
    where = f" {fault.where}:" if fault.where else ""
    return f"{fault.file or name}:{fault.line}:{where} {fault.reason}"
