"""What a set of policies must pass before it runs: format, strict compilation, tests that cover all, samples, limits.

`make policies` runs this over the repository's own, `sluice policy test` over any directory.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapters.opa.engine import faults_of
from adapters.opa.limits import check_limits
from adapters.opa.program import run_opa
from adapters.opa.sources import policy_names
from contracts.errors import ConfigurationInvalid

SAMPLES = ("allowed", "denied")
_RUNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("format", ("fmt", "--fail", "--list", "."), "these files are not formatted; `opa fmt --write` does it"),
    ("compile", ("check", "--strict", "--bundle", "."), ""),
    ("test", ("test", "--bundle", "."), ""),
)
_SAMPLED = """package sluice_samples

answers[name] := answer if {
	some name, sample in data.sluice_samples_given
	answer := data.sluice.verdict with input as sample.input with data.sluice.limits as sample.limits
}
"""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that a set of policies does not pass."""

    check: str
    """`limits`, `format`, `compile`, `test`, `coverage` or `samples`."""
    message: str
    """For a person; several lines where OPA says several."""


def flaws_of(opa: Path, source: Path, environments: Collection[str] | None = None) -> list[Flaw]:
    """Return every flaw of the policies in `source`; none: they may run. What does not compile is not tested.

    Given the `environments` that are declared, limits of any other are a flaw.

    Raises:
        ConfigurationInvalid: there is no such directory, or `opa` cannot be run.
    """
    if not policy_names(source):
        raise ConfigurationInvalid(f"{source}: there is no <name>/policy.rego in it")
    found = []
    try:
        check_limits(source, environments)
    except ConfigurationInvalid as error:
        found.append(Flaw("limits", str(error)))
    for check, arguments, hint in _RUNS:
        done = run_opa(opa, arguments, directory=source)
        if done.status != 0:
            found.append(Flaw(check, "\n".join(filter(None, (hint, done.complaint)))))
            if check == "compile":
                return found
    if not any(flaw.check == "test" for flaw in found):
        found += _uncovered(opa, source)
    if not any(flaw.check == "limits" for flaw in found):
        found += [Flaw("samples", message) for message in _wrong_samples(opa, source)]
    return found


def _uncovered(opa: Path, source: Path) -> list[Flaw]:
    done = run_opa(opa, ["test", "--bundle", ".", "--coverage", "--format", "json"], directory=source)
    try:
        files: dict[str, Any] = json.loads(done.output)["files"]
    except (ValueError, TypeError, KeyError):
        return [Flaw("coverage", done.complaint)]
    missed = [
        f"{name}:{part['start']['row']}: no test reaches this"
        for name, file in sorted(files.items())
        for part in file.get("not_covered", ())
    ]
    missed += [
        f"{name}/policy.rego: no test reaches this"
        for name in policy_names(source)
        if not any(file.endswith(f"{name}/policy.rego") for file in files)
    ]
    return [Flaw("coverage", "\n".join(missed))] if missed else []


def _wrong_samples(opa: Path, source: Path) -> Iterator[str]:
    names = policy_names(source)
    try:
        answers = sampled(opa, source)
    except ConfigurationInvalid as error:
        yield str(error)
        return
    for name in names:
        allowed, denied = (answers.get(f"{name}/{kind}") for kind in SAMPLES)
        if allowed is None or denied is None:
            yield f"{name}: samples/allowed.json and samples/denied.json must both be judged"
            continue
        for kind, answer in (("allowed", allowed), ("denied", denied)):
            for fault in faults_of(answer):
                yield f"{name}/samples/{kind}.json is answered with what no guard pass takes: {fault}"
        if allowed["violations"]:
            yield f"{name}/samples/allowed.json violates {_rules(allowed)}"
        if _rules(denied) != name:
            yield f"{name}/samples/denied.json violates {_rules(denied) or 'nothing'} instead of {name} alone"
        if not set(names) <= set(allowed["policies"]) & set(denied["policies"]):
            yield f"{name}: not every policy of the directory says `evaluated := true`"


def _rules(answer: dict[str, Any]) -> str:
    return ", ".join(sorted({violation["rule"] for violation in answer["violations"]}))


def sampled(opa: Path, source: Path) -> dict[str, dict[str, Any]]:
    """Return `data.sluice.verdict` for every sample, by `<policy>/<allowed or denied>`, asked of OPA at once.

    `samples/limits.json`, where there is one, is laid over the limits of `data.yaml` for that policy's samples.

    Raises:
        ConfigurationInvalid: a sample is missing or no JSON, or OPA does not answer.
    """
    limits = _limits(source)
    given: dict[str, Any] = {}
    for name in policy_names(source):
        overlay = source / name / "samples" / "limits.json"
        own = _json(overlay) if overlay.exists() else {}
        for kind in SAMPLES:
            document = _json(source / name / "samples" / f"{kind}.json")
            given[f"{name}/{kind}"] = {"input": document, "limits": {**limits, **own}}
    with tempfile.TemporaryDirectory(prefix="sluice-samples-") as folder:
        (Path(folder) / "samples.rego").write_text(_SAMPLED)
        (Path(folder) / "samples.json").write_text(json.dumps({"sluice_samples_given": given}))
        arguments = ["eval", "--strict-builtin-errors", "--format", "json"]
        for path in (str(source.absolute()), f"{folder}/samples.rego", f"{folder}/samples.json"):
            arguments += ["--data", path]
        # Samples and their overlays are JSON below the policies; as data they would collide.
        arguments += ["--ignore", "samples", "data.sluice_samples.answers"]
        done = run_opa(opa, arguments, directory=source)
    try:
        answers: dict[str, dict[str, Any]] = json.loads(done.output)["result"][0]["expressions"][0]["value"]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ConfigurationInvalid(f"OPA does not judge the samples\n{done.complaint}") from error
    return answers


def _limits(source: Path) -> dict[str, Any]:
    file = source / "data.yaml"
    read: Any = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    limits: dict[str, Any] = read.get("sluice", {}).get("limits", {})
    return limits


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(f"{file}: cannot be read as JSON") from error
