"""Where a stage gets the operator's declarations from: a file that may change while the process runs.

Whoever holds a source reads `current` once, at the start of a pass, a request or a look, and keeps to what it read:
nothing is ever judged by two configurations at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contracts.configuration import Configuration


class ConfigurationSource(Protocol):
    """Gives the configuration in force. A `Configuration` is one that never changes."""

    @property
    def current(self) -> Configuration:
        """What is in force now: whole and valid."""
        ...
