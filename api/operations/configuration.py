"""`/v1/configuration`: which file is in force, and why a newer one is not."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from api.parts import ApiParts
from api.problems import not_found


class ConfigurationFault(BaseModel):
    """One thing that is wrong with a refused file."""

    file: str
    """A file that the refused one names; empty for itself."""
    line: int
    where: str
    """Path of the key; empty for the whole file."""
    reason: str


class RefusedConfiguration(BaseModel):
    """A newer file that is not in force."""

    revision: str
    """`sha256:<64 hex>` over the bytes of the file; empty where it cannot be read."""
    at: datetime
    faults: tuple[ConfigurationFault, ...]


class ConfigurationView(BaseModel):
    """What this process goes by."""

    tenant: str
    revision: str
    """`sha256:<64 hex>` of everything that it declares and guardrails judge by: of all but `notifications`."""
    loaded_at: datetime
    refused: RefusedConfiguration | None


def configuration_view(parts: ApiParts) -> ConfigurationView:
    """Return what is in force, and what is refused.

    Raises:
        Problem: 404, this process was given its configuration by hand.
    """
    if parts.live is None:
        raise not_found("configuration")
    loaded, refused = parts.live.loaded, parts.live.refused
    return ConfigurationView(
        tenant=loaded.configuration.tenant,
        revision=loaded.revision,
        loaded_at=loaded.at,
        refused=None
        if refused is None
        else RefusedConfiguration(
            revision=refused.revision,
            at=refused.at,
            faults=tuple(
                ConfigurationFault(file=one.file, line=one.line, where=one.where, reason=one.reason)
                for one in refused.faults
            ),
        ),
    )
