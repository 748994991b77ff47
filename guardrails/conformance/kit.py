"""CONFORMANCE: the checks, each over every sample."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from contracts.evaluation import Outcome, Verdict
from guardrails.conformance.report import Flaw, Quality, Report
from guardrails.conformance.watching import watching
from guardrails.evaluate import evaluate, is_sound
from guardrails.extension import UnsoundVerdict, declaration_faults, declared_by, kept
from guardrails.facts import Facts
from guardrails.registry import Guardrail

BUDGET = timedelta(milliseconds=1)
"""Processor time of one answer: a whole pass, database included, has six milliseconds."""
RUNS = 50
"""Answers per sample that are timed."""
_LOST: Mapping[str, Mapping[str, Any]] = {
    "observation": {"observation": None, "observation_error": "provider_unavailable"},
    "price": {"price": None, "price_error": "price_unknown"},
    "policy": {"policy": None, "policy_error": "policy_unavailable"},
    "windows": {"windows": None},
    "target": {"target": None},
    "environment": {"environment": None},
}
"""Facts that can be missing, each with how a pass says so.

No budgets is not one of them: it says that none is declared, and a pass that cannot read a balance fails as a whole.
"""


def check(
    guardrail: Guardrail, samples: Mapping[str, Facts], *, name: str, budget: timedelta = BUDGET
) -> Report:
    """Try a guardrail over facts, and return everything that it does not keep.

    Args:
        guardrail: the function that the entry point names.
        samples: facts by a name for messages; `guardrails.samples.samples()` and what the rule is about.
        name: what its verdicts say: `<distribution>/<entry point>`.
        budget: processor time that the median answer may take.

    Raises:
        ValueError: there are no samples: nothing would be checked.
    """
    if not samples:
        raise ValueError("no samples: nothing would be checked")
    trials = [_Trial(guardrail, name, about, given) for about, given in samples.items()]
    first = [_tried(guardrail, trial.facts) for trial in trials]
    flaws = [flaw for trial, tried in zip(trials, first, strict=True) for flaw in trial.purity(tried)]
    if any(tried.reached for tried in first):
        # It is not run again where nothing refuses what it reaches for.
        return Report(name, tuple(flaws), None, budget)
    flaws += [Flaw(Quality.SOUND, "all", wrong) for wrong in declaration_faults(guardrail)]
    for trial, tried in zip(trials, first, strict=True):
        flaws += [*trial.soundness(tried), *trial.failing_closed(), *trial.idempotence()]
    took = max(_timed(guardrail, trial.facts) for trial in trials)
    if took > budget:
        flaws.append(Flaw(Quality.FAST, "all", f"takes {took} of processor time; the budget is {budget}"))
    return Report(name, tuple(flaws), took, budget)


@dataclass(frozen=True, slots=True)
class _Tried:
    """One answer, and what was reached for on the way to it."""

    verdict: Verdict | None
    error: str = ""
    reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Trial:
    """One guardrail over one sample."""

    guardrail: Guardrail
    name: str
    about: str
    facts: Facts

    def purity(self, first: _Tried) -> Iterator[Flaw]:
        """The answer of before, the answers to a copy, and the facts afterwards must not differ."""
        untouched = copy.deepcopy(self.facts)
        again = _tried(self.guardrail, self.facts)
        if self.facts != untouched:
            yield self._flaw(Quality.PURE, "changes the facts it was given")
        for reached in sorted(first.reached | again.reached):
            yield self._flaw(Quality.PURE, f"reaches outside its facts: {reached}")
        copied = _tried(self.guardrail, copy.deepcopy(untouched))
        if not first.verdict == again.verdict == copied.verdict:
            yield self._flaw(Quality.PURE, "answers the same facts differently")

    def soundness(self, first: _Tried) -> Iterator[Flaw]:
        """A verdict of its own name that holds what its outcome needs and can be kept."""
        verdict = first.verdict
        if verdict is None:
            yield self._flaw(Quality.SOUND, f"gives no verdict: {first.error}")
            return
        if not is_sound(verdict, self.name):
            yield self._flaw(
                Quality.SOUND, f"must say guardrail={self.name!r} and hold what its outcome needs"
            )
        try:
            kept(verdict, self.facts.now)
        except UnsoundVerdict as error:
            yield self._flaw(Quality.SOUND, str(error))

    def failing_closed(self) -> Iterator[Flaw]:
        """Each fact that can be missing, alone and together with the others, makes no outcome laxer.

        A reason that only a missing fact brings up is none that break-glass may bypass.
        """
        whole = self._verdict(self.facts)
        everything: dict[str, Any] = {}
        for lost, change in _LOST.items():
            everything |= change
            yield from self._laxer(whole, lost, change)
        yield from self._laxer(whole, "every fact from outside", everything)

    def idempotence(self) -> Iterator[Flaw]:
        """A pass that runs again, under the next number, after it was admitted, is judged alike."""
        admitting = replace(self.facts, admitting=True)
        after = replace(admitting, pass_number=admitting.pass_number + 1)
        once, twice = self._judged(admitting), self._judged(after)
        if once is not twice:
            yield self._flaw(
                Quality.IDEMPOTENT, f"admits with {once.value}, and a second time with {twice.value}"
            )

    def _laxer(self, whole: Verdict, lost: str, change: Mapping[str, Any]) -> Iterator[Flaw]:
        found = self._verdict(replace(self.facts, **change))
        if found.outcome.severity < whole.outcome.severity:
            words = f"without {lost} it says {found.outcome.value} instead of {whole.outcome.value}"
            yield self._flaw(Quality.FAIL_CLOSED, words)
        is_new = found.reason_code != whole.reason_code and found.outcome is not Outcome.ALLOW
        if is_new and found.reason_code in declared_by(self.guardrail):
            words = f"without {lost} it says {found.reason_code}, which break-glass would bypass"
            yield self._flaw(Quality.FAIL_CLOSED, words)

    def _judged(self, facts: Facts) -> Outcome:
        return self._verdict(facts).outcome

    def _verdict(self, facts: Facts) -> Verdict:
        """Return its verdict as it counts in a pass: an error is a deny there."""
        return evaluate(facts, ((self.name, self.guardrail),)).verdicts[0]

    def _flaw(self, quality: Quality, message: str) -> Flaw:
        return Flaw(quality, self.about, message)


def _tried(guardrail: Guardrail, facts: Facts) -> _Tried:
    with watching() as reached:
        try:
            verdict: object = guardrail(facts)
            error = "" if isinstance(verdict, Verdict) else f"{type(verdict).__name__} is no Verdict"
        except Exception as raised:  # noqa: BLE001  whatever it raises is what is reported
            verdict, error = None, f"{type(raised).__name__}: {raised}"
    return _Tried(verdict if isinstance(verdict, Verdict) else None, error, frozenset(reached))


def _timed(guardrail: Guardrail, facts: Facts) -> timedelta:
    spent = []
    for _ in range(RUNS):
        started = time.process_time_ns()
        _ask(guardrail, facts)
        spent.append(time.process_time_ns() - started)
    return timedelta(microseconds=statistics.median(spent) / 1000)


def _ask(guardrail: Guardrail, facts: Facts) -> None:
    """Ask for an answer and drop it, whatever it is."""
    try:
        guardrail(facts)
    except Exception:  # noqa: BLE001  how long it took is asked here, not what came of it
        return
