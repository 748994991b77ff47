"""The list of guard mutants fits the code, and its judge is right about a few; `make proof-mutants` tries them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from proofs.mutants.__main__ import main, misfits_among
from proofs.mutants.catalogue import MUTANTS
from proofs.mutants.mutant import Mutant, Promise
from proofs.mutants.working_copy import ROOT, MutantInvalid, mutated

HALT = "guardrails/halt/decision.py"
HALT_TESTS = ("tests/guardrails/halt/test_decision.py",)
PLANTED = """
import json, sys
from dataclasses import asdict
from proofs.mutants.__main__ import run
from proofs.mutants.catalogue import MUTANTS
from proofs.mutants.mutant import Mutant, Promise

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
        [sys.executable, "-P", "-c", PLANTED],
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


def test_the_list_is_told_by_promise(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--list", "--only", "halt-stops-nothing"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == Promise.HALT
    assert main(["--only", "no-such-mutant", "--json", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()
