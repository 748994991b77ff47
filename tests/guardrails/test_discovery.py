"""Guardrails of one's own are found where they are installed; whatever is wrong with one stops the start."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from itertools import count
from pathlib import Path

import pytest

from adapters.configuration import parse
from contracts.errors import ConfigurationInvalid
from contracts.evaluation import Outcome
from guardrails import registry
from guardrails.discovery import discover, insist, insisting
from guardrails.evaluate import evaluate
from guardrails.extension import Extension
from tests.guardrails.distribution import ALLOW, DENY, GUARDRAIL, installed, restored
from tests.guardrails.samples import facts

_number = count()
GLASS = "from guardrails.extension import bypassable\n\n"
FINE = "def decide(facts): ..."
OPENING = parse(
    "environments: {production: {}}\nbreak_glass: {gates: [rate, acme-freeze/tidy]}",
)
clean_registry = pytest.fixture(autouse=True)(restored)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    return place


@pytest.fixture
def package() -> Iterator[str]:
    """A name that no other test has imported."""
    name = f"acme_freeze_{next(_number)}"
    yield name
    sys.modules.pop(name, None)


def found(*places: Path) -> tuple[Extension, ...]:
    return discover(distributions(path=[str(place) for place in places]))


def test_an_installed_guardrail_is_found_on_the_path_and_judges(site: Path, package: str) -> None:
    installed(site, package=package, body=DENY)
    registry.install(discover())
    evaluation = evaluate(facts())
    assert evaluation.outcome is Outcome.DENY
    assert (evaluation.worst.guardrail, evaluation.worst.reason_code) == ("acme-freeze/tidy", "untidy")
    assert evaluation.worst.rule_revision == "acme-freeze 1.2.0, rules 3"
    assert len(evaluation.verdicts) == len(registry.GUARDRAILS) + 1


def test_without_a_distribution_that_brings_one_there_is_none(site: Path, package: str) -> None:
    installed(site, package=package, entry_points="[console_scripts]\nacme = acme:main\n")
    assert found(site) == ()


def test_a_distribution_is_named_in_its_normal_form(site: Path, package: str) -> None:
    source = GUARDRAIL.format(name="acme-freeze/tidy", body=ALLOW)
    installed(site, "Acme.Freeze", package=package, source=source)
    assert [one.name for one in found(site)] == ["acme-freeze/tidy"]


def test_a_guardrail_named_like_a_shipped_one_stands_beside_it_and_never_in_its_place(
    site: Path, package: str
) -> None:
    source = "from guardrails.answers import Answers\n\n"
    source += 'def decide(facts):\n    return Answers("acme-freeze/halt").allow("r", "Fine.")\n'
    entries = f"[sluice.guardrails]\nhalt = {package}:decide\n"
    installed(site, package=package, source=source, entry_points=entries)
    registry.install(found(site))
    assert registry.in_force()[: len(registry.GUARDRAILS)] == registry.GUARDRAILS
    assert registry.in_force()[-1][0] == "acme-freeze/halt"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('the password is hunter2')", "cannot be imported: RuntimeError$"),
        ("import acme_that_is_not_there", "cannot be imported: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit$"),
        ("def decide(", "cannot be imported: SyntaxError"),
        ("", "cannot be imported: AttributeError"),
        ("decide = 7", "is none: it is a int"),
        ("class decide:\n    def __init__(self, facts): ...", "is none: it is a type"),
        ("async def decide(facts): ...", "is none: it must answer at once"),
        ("def decide(facts):\n    yield 1", "is none: it must answer at once"),
        ("def decide(): ...", "is none: it must take the facts"),
        ("def decide(facts, more): ...", "is none: it must take the facts"),
        ("def decide(facts): ...", "is none: it fails over sound facts: UnsoundVerdict"),
        (
            "def decide(facts):\n    raise KeyError('hunter2')",
            "is none: it fails over sound facts: KeyError$",
        ),
        (f"{GLASS}@bypassable()\n{FINE}", "is none: it declares nothing as bypassable"),
        (f"{GLASS}@bypassable('Not Plain')\n{FINE}", "is none: it declares 'Not Plain' as bypassable"),
        (f"{GLASS}@bypassable('guardrail_error')\n{FINE}", "is none: it declares 'guardrail_error'"),
        (f"{GLASS}@bypassable(7)\n{FINE}", "is none: it must declare what break-glass may bypass"),
        (
            "from guardrails.answers import Answers\n\ndef decide(facts):\n"
            '    return Answers("halt").allow("r", "Fine.")',
            "is none: its verdict must say guardrail='acme-freeze/tidy'",
        ),
    ],
    ids=lambda given: None if " " in given else given,
)
def test_what_is_broken_or_no_guardrail_refuses_to_start_and_names_its_distribution(
    site: Path, package: str, source: str, reason: str
) -> None:
    installed(site, package=package, source=source)
    with pytest.raises(ConfigurationInvalid, match=rf"'tidy' of acme-freeze 1\.2\.0 {reason}"):
        found(site)


@pytest.mark.parametrize("entry", ["Tidy", "ti dy", "ti/dy", "2tidy", "tidy.up"])
def test_an_entry_point_with_a_name_of_its_own_kind_is_refused(site: Path, package: str, entry: str) -> None:
    installed(site, package=package, entry_points=f"[sluice.guardrails]\n{entry} = {package}:decide\n")
    with pytest.raises(ConfigurationInvalid, match=r"acme-freeze 1\.2\.0: its name must be small letters"):
        found(site)


def test_two_versions_of_one_distribution_are_refused(site: Path, package: str, tmp_path: Path) -> None:
    installed(site, package=package)
    installed(tmp_path / "other", package=package, version="1.3.0")
    with pytest.raises(ConfigurationInvalid, match="acme-freeze brings guardrails and is installed twice"):
        found(site, tmp_path / "other")


def test_a_distribution_seen_twice_on_the_path_is_one(site: Path, package: str) -> None:
    installed(site, package=package)
    assert len(found(site, site)) == 1


def test_one_name_for_two_guardrails_of_a_distribution_is_refused(site: Path, package: str) -> None:
    twice = f"tidy = {package}:decide\n" * 2
    installed(site, package=package, entry_points=f"[sluice.guardrails]\n{twice}")
    with pytest.raises(ConfigurationInvalid, match=r"acme-freeze 1\.2\.0 names the guardrail tidy twice"):
        found(site)


@pytest.mark.parametrize(
    ("metadata", "entry_points", "reason"),
    [
        ("Metadata-Version: 2.1\nName: acme-freeze\n", None, "without name or version"),
        ("", None, "without name or version"),
        (None, "[sluice.guardrails]\ntidy\n", "cannot be read|must be small letters|cannot be imported"),
    ],
    ids=["no version", "no metadata", "half a line"],
)
def test_a_distribution_that_cannot_be_read_is_refused_not_skipped(
    site: Path, package: str, metadata: str | None, entry_points: str | None, reason: str
) -> None:
    installed(site, package=package, metadata=metadata, entry_points=entry_points)
    with pytest.raises(ConfigurationInvalid, match=reason):
        found(site)


PLAIN = parse("environments: {production: {}}")
REQUIRING = parse("environments: {production: {}}\nguardrails: {required: [acme-freeze/tidy]}")


def test_what_the_configuration_requires_must_be_installed(site: Path, package: str) -> None:
    with pytest.raises(
        ConfigurationInvalid, match="acme-freeze/tidy, which is not installed; installed: none"
    ):
        insist(REQUIRING, ())
    installed(site, package=package)
    insist(REQUIRING, found(site))


def test_what_it_declares_as_bypassable_is_found_with_it(site: Path, package: str) -> None:
    source = GUARDRAIL.format(name="acme-freeze/tidy", body=DENY).replace(
        "def decide", f"{GLASS}@bypassable('untidy')\ndef decide"
    )
    installed(site, package=package, source=source)
    (one,) = found(site)
    assert one.bypassable == {"untidy"}
    insist(OPENING, [one])


def test_break_glass_is_not_to_open_what_is_not_there_or_declares_nothing(site: Path, package: str) -> None:
    installed(site, package=package)
    for extensions in ((), found(site)):
        with pytest.raises(ConfigurationInvalid, match=r"break_glass\.gates names acme-freeze/tidy"):
            insist(OPENING, extensions)


def test_a_file_that_requires_what_is_not_there_is_refused_while_the_process_runs() -> None:
    adopt = insisting(())
    with pytest.raises(ConfigurationInvalid, match="not installed"):
        adopt(REQUIRING)
    adopt(PLAIN)()
