"""Who is who: a name in one text is one actor's alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from contracts.eligibility import is_named
from contracts.principal import CAPACITY_AGENT, Principal, PrincipalKind, Role, pair_of


def person(issuer: str, subject: str) -> Principal:
    return Principal(kind=PrincipalKind.HUMAN, issuer=issuer, subject=subject)


@pytest.mark.parametrize(
    ("issuer", "subject", "key"),
    [
        ("local", "ana", "local/ana"),
        ("https://sso.example/realms/main", "5f0c|ana", "https://sso.example/realms/main/5f0c|ana"),
        ("https://sso.example", "main/ana", "https://sso.example/main%2Fana"),
        ("local", "main%2Fana", "local/main%252Fana"),
        ("local", "%2F/%25", "local/%252F%2F%2525"),
    ],
)
def test_a_key_names_one_actor_and_leaves_normal_names_as_they_are(
    issuer: str, subject: str, key: str
) -> None:
    assert person(issuer, subject).key == key
    assert pair_of(key) == (issuer, subject)


def test_an_actor_may_be_called_by_its_subject_or_whole_as_people_write_it() -> None:
    assert person("https://sso", "main/ana").names == {"main/ana", "https://sso/main/ana"}
    assert CAPACITY_AGENT.spelled == "sluice/capacity-agent"


def test_the_same_subject_of_another_issuer_is_somebody_else() -> None:
    assert person("https://sso", "ana").same_as(person("https://sso", "ana"))
    assert not person("https://sso", "ana").same_as(person("local", "ana"))
    assert not person("local", "ben").same_as(person("local", "ana"))


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (PrincipalKind.AGENT, Role.APPROVER),
        (PrincipalKind.SERVICE, Role.APPROVER),
        (PrincipalKind.AGENT, Role.OPERATOR),
        (PrincipalKind.AGENT, Role.ADMIN),
    ],
)
def test_no_machine_approves_and_no_agent_stops_or_resolves(kind: PrincipalKind, role: Role) -> None:
    with pytest.raises(ValidationError):
        Principal(kind=kind, subject="bot", roles=(Role.VIEWER, role))
    assert Principal(kind=PrincipalKind.HUMAN, subject="bot", roles=(role,)).roles == (role,)


def test_two_people_whose_names_read_alike_have_two_keys() -> None:
    assert person("https://sso/a", "b").key != person("https://sso", "a/b").key
    assert person("sso", "a/b").key != person("sso", "a%2Fb").key


def test_whoever_may_be_meant_by_a_name_is_excluded() -> None:
    for named in ("https://sso/a/b", "https://sso/a%2Fb"):
        assert is_named(person("https://sso", "a/b"), [named])
    assert is_named(person("https://sso/a", "b"), ["https://sso/a/b"])
    assert not is_named(person("https://sso/a", "b"), ["https://sso/a%2Fb"])
