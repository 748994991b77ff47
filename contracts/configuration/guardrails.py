"""Guardrails of one's own, as an operator declares them. Those that Sluice ships always run and are not listed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from contracts.base import Contract

ExtensionName = Annotated[
    str, Field(max_length=128, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z][a-z0-9_]{0,62}$")
]
"""`<distribution>/<entry point>`. A shipped guardrail has no slash in its name, so none can be replaced."""


class ExtraGuardrails(Contract):
    """What must be there beside the shipped guardrails."""

    required: tuple[ExtensionName, ...] = ()
    """Without one of these no process that judges starts, and every change is denied."""

    @field_validator("required")
    @classmethod
    def _named_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a guardrail twice")
        return value


def requires_nothing(value: object) -> bool:
    """Tell whether the section says nothing: then it is left out of the dump, and revisions stay what they were."""
    return value == ExtraGuardrails()
