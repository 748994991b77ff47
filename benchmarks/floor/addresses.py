"""Where a contender's worker finds everything, as JSON on its command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Addresses:
    """What a worker is given; empty: it has no use for it."""

    temporal: str
    namespace: str
    database: str
    opa: str
    gke: str
    compute: str

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(vars(self))

    @classmethod
    def parsed(cls, given: str) -> Self:
        """Return what `text` wrote."""
        return cls(**json.loads(given))
