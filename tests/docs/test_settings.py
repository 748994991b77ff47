from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum

from pydantic import BaseModel

from settings import Settings
from tests.docs.pages import rows


def declared(group: type[BaseModel], prefix: str = "SLUICE_") -> Iterator[tuple[str, str]]:
    """Name and default of every setting, as the page spells them."""
    for name, field in group.model_fields.items():
        spelled = f"{prefix}{name.upper()}"
        default = field.get_default(call_default_factory=False)
        if isinstance(default, BaseModel):
            yield from declared(type(default), f"{spelled}__")
        elif name == "state_dir":
            yield spelled, "`$XDG_STATE_HOME/sluice`"
        else:
            yield spelled, _text(default)


def _text(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, timedelta):
        return f"`{default.total_seconds():g}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default.value if isinstance(default, Enum) else default}`"


def test_the_page_has_every_setting_with_its_default() -> None:
    page = [
        (row[0].strip("`"), row[1])
        for row in rows("settings.md")
        if row[0].startswith("`SLUICE_") and len(row) == 4
    ]
    assert page == list(declared(Settings))
