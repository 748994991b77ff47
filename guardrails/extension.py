"""GUARDRAILS of one's own: a rule from another distribution, under a name that no shipped one can have.

It is given the same facts and answers with a `Verdict`. What it answers is looked at more closely than the verdict of
a shipped one: what could not be stored or signed is an error of the guardrail, and an error denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from contracts.base import canonical_json
from contracts.evaluation import Outcome, Verdict
from contracts.holds import FREE_AT
from guardrails.facts import Facts

GROUP = "sluice.guardrails"
"""Entry-point group: https://packaging.python.org/en/latest/specifications/entry-points/"""
MOST_BYTES = 16_384
"""Of one verdict in canonical form: it is stored, audited and shown."""
MOST_HELD_ON = 200
"""Characters of what a hold waits for: it is indexed."""
_ENTRY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,62}")


_DECLARED = "__sluice_bypassable__"
_NEVER = frozenset({"guardrail_error", "guardrail_missing", "break_glass"})
"""Reason codes that say that a guardrail failed, is not there, or was bypassed."""

Decide = Callable[[Facts], Verdict]


def bypassable(*reason_codes: str) -> Callable[[Decide], Decide]:
    """Declare the reasons of a guardrail that break-glass may bypass, where the configuration lists the guardrail.

    What is not declared stands, whoever breaks the glass: so does every reason of a guardrail that declares nothing.
    Declare what stops a change for a while, and never what says that a fact is missing.
    """

    def declare(decide: Decide) -> Decide:
        setattr(decide, _DECLARED, frozenset(reason_codes))
        return decide

    return declare


def declared_by(decide: object) -> frozenset[str]:
    """Return the reason codes that a guardrail lets break-glass bypass."""
    found: object = getattr(decide, _DECLARED, None)
    return found if isinstance(found, frozenset) else frozenset()


def declaration_faults(decide: object) -> Iterator[str]:
    """Yield what is wrong with what a guardrail declares as bypassable."""
    if not hasattr(decide, _DECLARED):
        return
    found: object = getattr(decide, _DECLARED)
    if not isinstance(found, frozenset) or not all(isinstance(one, str) for one in found):
        yield "it must declare what break-glass may bypass by @bypassable with reason codes"
        return
    if not found:
        yield "it declares nothing as bypassable: leave @bypassable out"
    for code in sorted(found):
        if code in _NEVER or not _CODE.fullmatch(code):
            yield f"it declares {code!r} as bypassable, which is no reason code of its own"


class UnsoundVerdict(ValueError):
    """A guardrail answered with something that cannot be kept. It counts as a failure of the guardrail."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One guardrail that another distribution brings."""

    name: str
    """`<distribution>/<entry point>`: what its verdicts say, and what the configuration requires."""
    distribution: str
    version: str
    decide: Decide
    bypassable: frozenset[str] = frozenset()
    """Reason codes that break-glass may bypass: what `bypassable` declared."""

    def __call__(self, facts: Facts) -> Verdict:
        """Return its verdict.

        Raises:
            UnsoundVerdict: it cannot be stored or signed.
        """
        return kept(self.decide(facts), facts.now)

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


def kept(verdict: Verdict, now: datetime) -> Verdict:
    """Return a verdict that can be stored, signed and shown, and whose hold ends after `now`.

    Raises:
        UnsoundVerdict: it is none, has no plain code or message, or holds what JSON or the database cannot carry.
    """
    if not isinstance(verdict, Verdict):
        raise UnsoundVerdict("answers with something that is no verdict")
    try:
        # Made by `model_copy`, it was never validated.
        written = canonical_json(Verdict.model_validate(dict(verdict)))
    except (ValueError, TypeError, RecursionError) as error:
        raise UnsoundVerdict("holds what JSON cannot carry exactly") from error
    if len(written) > MOST_BYTES:
        raise UnsoundVerdict(f"is longer than {MOST_BYTES} bytes")
    if b"\\u0000" in written:
        raise UnsoundVerdict("holds a zero character, which the database cannot store")
    for wrong in _faults(verdict, now):
        raise UnsoundVerdict(wrong)
    return verdict


def _faults(verdict: Verdict, now: datetime) -> Iterator[str]:
    if not (_CODE.fullmatch(verdict.reason_code) and _CODE.fullmatch(verdict.rule)):
        yield "needs a rule and a reason code in small letters, digits and underscores"
    if not verdict.message.strip():
        yield "needs a message for people"
    if verdict.held_on is not None and not 0 < len(verdict.held_on.strip()) <= MOST_HELD_ON:
        yield f"is held on something without a name, or with one longer than {MOST_HELD_ON} characters"
    asked = verdict.requirement
    times = (asked.decide_within, asked.execute_within) if asked is not None else ()
    if any(one is not None and one <= timedelta(0) for one in times):
        yield "gives people no time"
    after = now if verdict.outcome is Outcome.HOLD else None
    if not _is_moment(verdict.facts.get(FREE_AT), after):
        yield f"says in {FREE_AT} no moment in ISO 8601 with an offset, or holds until one that is over"


def _is_moment(said: JsonValue, after: datetime | None) -> bool:
    if said is None:
        return True
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return False
    return moment is not None and moment.tzinfo is not None and (after is None or moment > after)
