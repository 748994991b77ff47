"""What a guard mutant is: one check of the path removed or inverted, and the tests that must notice it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """What a check is there for. `I1` to `I9` are the invariants of docs/architecture.md."""

    SCOPE = "A change stays within what is registered, and a cluster is changed by one proposal at a time."
    HALT = "No covered effect starts once a halt is effective (I8)."
    WINDOW = "What a change window closes waits, unless somebody who may overrides it."
    POLICY = "Without a whole answer of the policies nothing is allowed."
    BLAST_RADIUS = "What is large or cannot be taken back needs a person."
    RATE = "No execution budget is exceeded; storms, circles and oscillation end."
    BREAKER = "After failures nothing goes but one probe at a time."
    BUDGET = "Nothing is granted above a hard cap, and nothing stays reserved (I3)."
    APPROVAL_RULE = "Everybody who must agree is asked."
    FAIL_CLOSED = (
        "A guardrail that fails, is missing or contradicts itself denies; the strictest answer counts."
    )
    BREAK_GLASS = "Break-glass opens what was declared, for two people, for a while, and nothing else."
    VOTE = "Only signed, timely votes of people who may decide count (I2)."
    BALLOT = "An approval has one legal end, and an edit voids what was approved (I4)."
    ONE_EFFECT = "One attempt acts, behind a fresh pass and a fence of its own (I1)."
    OUTCOME = "A wrong outcome is taken back, or a person is called (I7)."
    STATES = "A proposal moves along its table of states, under its lock, and ends once (I4)."
    ONE_OUTCOME = "A call that is repeated has one outcome, and only for whoever may call (I5)."
    ENDS = "What nobody ends any more is ended, and nothing before its time (I4, I5)."
    ENTRANCE = "What a model or a file says has one reading, or is refused."
    AUDIT = "A changed, shortened or rewritten audit log is found (I6)."
    SECRECY = "What is secret is struck out of every log line (I9)."


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file, which the tests named must notice."""

    name: str
    file: str
    """Relative to the repository."""
    old: str
    """Occurs exactly once in the file."""
    new: str
    promise: Promise
    tests: tuple[str, ...]
    """What pytest is given: files, or single tests where a file is slow."""


@dataclass(frozen=True, slots=True)
class Change:
    """A mutant of a group. `tests`: instead of the group's own."""

    old: str
    new: str
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Mutants of one file that break one promise."""

    file: str
    promise: Promise
    tests: tuple[str, ...]
    changes: Mapping[str, Change]

    def __iter__(self) -> Iterator[Mutant]:
        """Yield each mutant of the group."""
        for name, change in self.changes.items():
            yield Mutant(name, self.file, change.old, change.new, self.promise, change.tests or self.tests)
