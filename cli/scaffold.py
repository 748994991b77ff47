"""Files from a template directory, rendered: every `*.template` below it, with names filled into paths and text."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path

from cli.exit_codes import CommandFailed, ExitCode

TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".template"


def write(template: str, target: Path, names: Mapping[str, str]) -> tuple[Path, ...]:
    """Render a template into `target` and return the files that were written. `__name__` in a path is filled in too.

    Raises:
        CommandFailed: `target` is there already, or cannot be written. What is there is never touched.
    """
    rendered = _rendered(TEMPLATES / template, names)
    if target.exists() or target.is_symlink():
        raise CommandFailed(f"{target} is there already; nothing was written", ExitCode.USAGE)
    try:
        target.mkdir(parents=True)
        for name, text in rendered.items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            # Exclusive: whoever is faster keeps their file.
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        raise CommandFailed(f"{target} cannot be written: {error.strerror}") from error
    return tuple(target / name for name in rendered)


def _rendered(source: Path, names: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for file in sorted(source.rglob(f"*{_SUFFIX}")):
        path = file.relative_to(source).as_posix().removesuffix(_SUFFIX)
        for name, value in names.items():
            path = path.replace(f"__{name}__", value)
        found[path] = string.Template(file.read_text(encoding="utf-8")).substitute(names)
    return found
