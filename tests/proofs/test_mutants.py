"""The list of guard mutants fits the code, and its judge is right about a few; `make proof-mutants` tries them all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from proofs.mutants import __main__ as proof
from proofs.mutants import forked
from proofs.mutants.__main__ import SLOW, main, misfits_among, slow_among
from proofs.mutants.catalogue import MUTANTS
from proofs.mutants.forked import Place, Run
from proofs.mutants.mutant import Mutant, Promise
from proofs.mutants.recorder import Recorder
from proofs.mutants.trial import Result, Trial, keep_killers, killer_of, known_killers, try_mutant
from proofs.mutants.working_copy import ROOT, MutantInvalid, mutated

HALT = "guardrails/halt/decision.py"
HALT_TESTS = ("tests/guardrails/halt/test_decision.py",)
PLANTED = """
import json, sys
from dataclasses import asdict
from proofs.mutants import __main__ as proof
from proofs.mutants.__main__ import run
from proofs.mutants.catalogue import MUTANTS
from proofs.mutants.forked import Place, Run
from proofs.mutants.mutant import Mutant, Promise

killers = json.loads(sys.argv[1])
proof.known_killers = lambda: killers
first, tests = "from __future__ import annotations", "tests/guardrails/halt/test_decision.py"

def planted(name, addition, tests=tests):
    return Mutant(name, "guardrails/halt/decision.py", first, first + addition, Promise.HALT, (tests,))

cheap = [one for one in MUTANTS if one.name in ("halt-stops-nothing", "blast-share-is-not-limited")]
harmless = planted("harmless", "  # as before")
broken = planted("broken", "\\nraise ImportError('no such part')")
told = run([*cheap, harmless, broken, cheap[0]])
unknown = run([planted("unknown", "  # as before", tests + "::test_none")])
print(json.dumps({"told": [asdict(one) for one in told], "unknown": unknown}))
"""

KILLERS = {
    "halt-stops-nothing": f"{HALT_TESTS[0]}::test_a_covering_halt_denies_first_and_holds_later",
    "blast-share-is-not-limited": "tests/guardrails/blast_radius/test_decision.py::test_renamed_since",
    "harmless": f"{HALT_TESTS[0]}::test_a_covering_halt_denies_first_and_holds_later",
}
"""One that is right, one that is there no more, and one that never killed what it is said to have killed."""


RED = "tests/a.py::test_a"


def _halt(old: str, new: str) -> Mutant:
    return Mutant("one", HALT, old, new, Promise.HALT, HALT_TESTS)


def test_every_mutant_applies_to_the_code_exactly_once_and_compiles() -> None:
    assert misfits_among(MUTANTS) == []


def test_every_promise_has_mutants_and_every_mutant_a_name_of_its_own() -> None:
    assert {one.promise for one in MUTANTS} == set(Promise)
    assert len({one.name for one in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("no such text", "x", "0 times"),
        ("facts", "x", "times"),
        ("if covering is None:", "if covering is None:", "changes nothing"),
        ("if covering is None:", "if covering is None", "does not compile"),
    ],
    ids=["absent", "more than once", "no change", "no Python"],
)
def test_a_mutant_that_does_not_fit_the_code_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(MutantInvalid, match=why):
        mutated(_halt(old, new), (ROOT / HALT).read_text())
    assert misfits_among([_halt(old, new)]) != []


def test_tests_that_are_not_there_are_an_error_of_the_list() -> None:
    mutant = Mutant("one", HALT, "if covering is None:", "if True:", Promise.HALT, ("tests/none.py",))
    assert misfits_among([mutant]) == ["one: there is no tests/none.py"]


def test_a_mutant_is_killed_by_a_red_test_only_and_the_working_tree_stays_as_it_is() -> None:
    touched = [ROOT / HALT, ROOT / "guardrails/blast_radius/decision.py"]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in touched]
    done = subprocess.run(
        [sys.executable, "-P", "-c", PLANTED, json.dumps(KILLERS)],
        env={"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    results = [(one["mutant"], one["result"]) for one in answer["told"]]
    assert results == [
        ("halt-stops-nothing", "killed"),
        ("blast-share-is-not-limited", "killed"),
        ("harmless", "survived"),
        ("broken", "error"),
        ("halt-stops-nothing", "killed"),
    ]
    assert "test_a_covering_halt_denies_first_and_holds_later" in answer["told"][0]["told"]
    assert answer["unknown"] is None
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in touched] == before


@pytest.mark.parametrize(
    ("is_red_anyway", "killer", "result"),
    [
        (False, None, Result.KILLED),
        (True, None, Result.ERROR),
        (True, "tests/other.py::test_b", Result.ERROR),
        # It was found green when it became known.
        (True, RED, Result.KILLED),
    ],
    ids=["only with the mutant", "anyway", "anyway, instead of the known one", "known"],
)
def test_a_test_that_is_red_without_the_mutant_too_kills_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_red_anyway: bool, killer: str | None, result: Result
) -> None:
    mutant = _halt("is_checked = True", "is_checked = False")
    code = tmp_path / HALT
    code.parent.mkdir(parents=True)
    code.write_text(mutant.old)

    def run_tests(*_: object) -> Run:
        is_red = is_red_anyway or code.read_text() == mutant.new
        return Run(status=int(is_red), failed=(RED,) if is_red else (), broken=(), output="")

    monkeypatch.setattr("proofs.mutants.trial.run_tests", run_tests)
    tried = try_mutant(mutant, Place(tmp_path, tmp_path), killer)
    assert tried.result is result
    assert tried.told.endswith(RED)


@pytest.mark.parametrize(
    ("red", "red_alone", "goes_on"), [(1, False, True), (1, True, False), (4, False, False)]
)
def test_tests_that_are_red_before_any_mutant_are_run_again_alone_where_they_are_few(
    monkeypatch: pytest.MonkeyPatch, red: int, *, red_alone: bool, goes_on: bool
) -> None:
    names = tuple(f"tests/a.py::test_{number}" for number in range(red))
    ran = []

    def run_tests(tests: tuple[str, ...], *_: object, whole: bool = False) -> Run:
        ran.append(tests)
        failed = names if whole or red_alone else ()
        return Run(status=bool(failed), failed=failed, broken=(), output="", libraries=("yaml",))

    monkeypatch.setattr("proofs.mutants.__main__.run_tests", run_tests)
    found = proof._libraries(MUTANTS[:1], Place(ROOT, ROOT))
    assert found == (("yaml",) if goes_on else None)
    assert ran[1:] == ([names] if red == 1 else [])


def test_a_mutant_that_was_killed_late_is_told_by_name() -> None:
    late = Trial("late", Result.KILLED, RED, SLOW + 1, 1)
    assert slow_among([late, replace(late, mutant="soon", seconds=SLOW)]) == ["late"]
    assert slow_among([replace(late, result=Result.SURVIVED)]) == []


def test_only_one_of_a_mutants_own_tests_is_tried_first() -> None:
    mutant = _halt("if covering is None:", "if True:")
    own, case = f"{HALT_TESTS[0]}::test_one", f"{HALT_TESTS[0]}::test_one[a]"
    assert killer_of(mutant, {"one": own}) == own
    assert killer_of(replace(mutant, tests=(own,)), {"one": case}) == case
    assert killer_of(replace(mutant, tests=(own,)), {"one": f"{own}_more"}) is None
    assert killer_of(mutant, {"one": "tests/guardrails/halt/test_others.py::test_one"}) is None
    assert killer_of(mutant, {"two": own}) is None


def test_who_killed_is_kept_and_who_is_gone_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofs.mutants.trial.KILLERS", tmp_path / "killers.json")
    assert known_killers() == {}
    killed = [Trial(name, Result.KILLED, f"tests/{name}", 1, 1) for name in ("one", "gone")]
    keep_killers([*killed, Trial("two", Result.SURVIVED, "green", 1, 1)], ["one", "two"])
    assert known_killers() == {"one": "tests/one"}
    keep_killers([Trial("two", Result.KILLED, "tests/two", 1, 1)], ["one", "two"])
    assert known_killers() == {"one": "tests/one", "two": "tests/two"}


def test_the_list_is_told_by_promise(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--list", "--only", "halt-stops-nothing"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == Promise.HALT
    assert main(["--only", "no-such-mutant", "--json", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_a_test_that_is_red_counts_although_its_run_never_ends(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    recorder = Recorder(found, ROOT)
    red = pytest.TestReport(
        "tests/a.py::test_a", ("tests/a.py", 1, "a"), {}, "failed", "assert 1 == 2", "call"
    )
    recorder.pytest_runtest_logreport(red)
    assert json.loads(found.read_text())["failed"] == ["tests/a.py::test_a"]


def test_a_run_that_does_not_end_once_a_test_is_red_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofs.mutants.forked._CLEANS_UP_WITHIN", 0.0)
    (tmp_path / "found.json").write_text("{}")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"]) as endless:
        assert forked._waited(endless.pid, 3600, tmp_path / "found.json") == -signal.SIGKILL
