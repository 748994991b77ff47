"""What a planted bug makes of the moment that is read under a lock: the one of the process that asked."""

from __future__ import annotations

from typing import Any

from contracts import base


class AtOwnClock:
    """A row whose `now` is not the database's."""

    def __init__(self, row: Any) -> None:
        """Stand in for this row."""
        self._row = row

    def __getattr__(self, name: str) -> Any:
        """Return the value of a column."""
        return base.utc_now() if name == "now" else getattr(self._row, name)
