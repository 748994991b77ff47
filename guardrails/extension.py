"""GUARDRAILS of one's own: a rule from another distribution, under a name that no shipped one can have.

It is given the same facts and answers with a `Verdict`. What it answers is looked at more closely than the verdict of
a shipped one: what could not be stored or signed is an error of the guardrail, and an error denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from contracts.base import canonical_json
from contracts.evaluation import Verdict
from guardrails.facts import Facts

GROUP = "sluice.guardrails"
"""Entry-point group: https://packaging.python.org/en/latest/specifications/entry-points/"""
MOST_BYTES = 16_384
"""Of one verdict in canonical form: it is stored, audited and shown."""
_ENTRY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,62}")


class UnsoundVerdict(ValueError):
    """A guardrail answered with something that cannot be kept. It counts as a failure of the guardrail."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One guardrail that another distribution brings."""

    name: str
    """`<distribution>/<entry point>`: what its verdicts say, and what the configuration requires."""
    distribution: str
    version: str
    decide: Callable[[Facts], Verdict]

    def __call__(self, facts: Facts) -> Verdict:
        """Return its verdict.

        Raises:
            UnsoundVerdict: it cannot be stored or signed.
        """
        return kept(self.decide(facts))

    def stamped(self, verdict: Verdict) -> Verdict:
        """Return the verdict with the distribution and version that gave it, also where it failed."""
        revision = f"{self.distribution} {self.version}, rules {verdict.rule_revision}"
        return verdict.model_copy(update={"rule_revision": revision})


def extension_name(distribution: str, entry: str) -> str:
    """Return the one name that a guardrail of a distribution can have.

    Raises:
        ValueError: the entry point is not named in small letters, digits and underscores.
    """
    if not _ENTRY.fullmatch(entry):
        raise ValueError("its name must be small letters, digits and underscores")
    return f"{normalised(distribution)}/{entry}"


def normalised(distribution: str) -> str:
    """Return a distribution's name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def kept(verdict: Verdict) -> Verdict:
    """Return a verdict that can be stored, signed and shown.

    Raises:
        UnsoundVerdict: it is none, has no plain code or message, or holds what JSON or the database cannot carry.
    """
    if not isinstance(verdict, Verdict):
        raise UnsoundVerdict("answers with something that is no verdict")
    if not _CODE.fullmatch(verdict.reason_code) or not verdict.rule or not verdict.message.strip():
        raise UnsoundVerdict("needs a rule, a message and a reason code in small letters and underscores")
    asked = verdict.requirement
    times = (asked.decide_within, asked.execute_within) if asked is not None else ()
    if any(one is not None and one <= timedelta(0) for one in times):
        raise UnsoundVerdict("gives people no time")
    try:
        # Made by `model_copy`, it was never validated.
        written = canonical_json(Verdict.model_validate(dict(verdict)))
    except (ValueError, TypeError, RecursionError) as error:
        raise UnsoundVerdict("holds what JSON cannot carry exactly") from error
    if len(written) > MOST_BYTES:
        raise UnsoundVerdict(f"is longer than {MOST_BYTES} bytes")
    if b"\\u0000" in written:
        raise UnsoundVerdict("holds a zero character, which the database cannot store")
    return verdict
