"""AUDIT: checks the signatures of the decisions that a log holds, while its lines pass by on their way to `verify`.

A leaf under the tree's root was not changed since; a signature tells besides that a decision came from an API that
holds the key, and covers exactly these digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from adapters.audit.export import read_entry
from contracts.decision import SignedDecision
from contracts.signature import is_signed_by

MAX_LISTED = 100
"""Numbers that are listed; the rest is counted."""
_MARKS = (b'"type":"decision.recorded"', b'"type":"decision.applied"')


@dataclass(slots=True)
class DecisionSignatures:
    """A tally. `watch` fills it."""

    public_keys: Mapping[str, str]
    """Key id → base64 raw Ed25519 public key."""
    valid: int = 0
    unknown_key: int = 0
    """Signed by a key that is not configured any more: nothing is said about these."""
    invalid: int = 0
    invalid_numbers: list[int] = field(default_factory=list)
    """Of the events, at most `MAX_LISTED`."""

    def watch(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the lines of an export unchanged and check every decision among them."""
        for line in lines:
            if any(mark in line for mark in _MARKS):
                self._look_at(line)
            yield line

    def _look_at(self, line: bytes) -> None:
        entry = read_entry(line)
        if entry is None:
            return
        try:
            leaf = json.loads(entry.leaf)
            if leaf["type"] not in ("decision.recorded", "decision.applied"):
                return
            signed = SignedDecision.model_validate(leaf["payload"])
        except (ValueError, KeyError, TypeError, ValidationError):
            self._refuse(entry.number)
            return
        if signed.decision.key_id not in self.public_keys:
            self.unknown_key += 1
        elif is_signed_by(signed, self.public_keys):
            self.valid += 1
        else:
            self._refuse(entry.number)

    def _refuse(self, number: int) -> None:
        self.invalid += 1
        if len(self.invalid_numbers) < MAX_LISTED:
            self.invalid_numbers.append(number)
