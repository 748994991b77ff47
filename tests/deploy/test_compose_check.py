"""The checker finds what is wrong with a Compose file, with the reason, before anybody starts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.compose_check import check, main

SOUND = """
services:
  database:
    image: database:1
    healthcheck: {test: [CMD, ready]}
    secrets: [password]
    volumes: ["data:/data"]
    networks: [inside]
  api:
    image: api:1
    depends_on:
      database: {condition: service_healthy}
    ports: ["127.0.0.1:8470:8470"]
    networks: [inside]
networks: {inside: {}}
volumes: {data: {}}
secrets: {password: {file: ./password}}
"""

BROKEN = {
    "a secret file that is not there": ("./password", "./passwort", "passwort"),
    "a secret file that is a directory": ("./password", ".", 'secret "password"'),
    "a wait for health without a health check": ("healthcheck: {test: [CMD, ready]}", "", "no health check"),
    "a wait for health that is switched off": ("{test: [CMD, ready]}", "{disable: true}", "no health check"),
    "a wait for health that is NONE": ("[CMD, ready]", "[NONE]", "no health check"),
    "an unknown key": ("healthcheck:", "healtcheck:", "healtcheck"),
    "an unknown condition": ("service_healthy", "healthy", "condition"),
    "a dependency that is not there": ("database: {condition", "databse: {condition", "databse"),
    "a dependency on itself": ("database: {condition", "api: {condition", "api"),
    "a volume that is not declared": ("data:/data", "dta:/data", "dta"),
    "a network that is not declared": ("{inside: {}}", "{outside: {}}", "inside"),
    "a secret that is not declared": ("[password]", "[passwort]", "passwort"),
    "a port that is none": ("8470:8470", "8470:84700000", "84700000"),
    "a variable that must be set": ("image: api:1", "image: ${IMAGE:?name it}", "IMAGE"),
    "neither image nor build": ("image: api:1", "hostname: api", "api"),
    "text that is no YAML": ("services:", "services: [", "yaml"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("x")
    return tmp_path


def test_a_sound_file_has_no_faults(compose_checker: Path, folder: Path) -> None:
    (folder / "compose.yml").write_text(SOUND)
    outcome = check(compose_checker, folder / "compose.yml", {})
    assert outcome.faults == ()
    assert '"database"' in outcome.project


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(compose_checker: Path, folder: Path, fault: str) -> None:
    right, wrong, named = BROKEN[fault]
    assert right in SOUND
    (folder / "compose.yml").write_text(SOUND.replace(right, wrong))
    outcome = check(compose_checker, folder / "compose.yml", {})
    assert named in "\n".join(outcome.faults)
    assert outcome.project == ""


def test_every_fault_of_our_own_checks_is_listed(compose_checker: Path, folder: Path) -> None:
    text = SOUND.replace("./password", "./none").replace("healthcheck: {test: [CMD, ready]}", "")
    (folder / "compose.yml").write_text(text)
    assert len(check(compose_checker, folder / "compose.yml", {}).faults) == 2


def test_faults_in_a_profile_that_is_off_are_found_too(compose_checker: Path, folder: Path) -> None:
    text = SOUND.replace("image: api:1", "image: api:1\n    profiles: [rare]\n    volumes: ['nowhere:/x']")
    (folder / "compose.yml").write_text(text)
    assert "nowhere" in "\n".join(check(compose_checker, folder / "compose.yml", {}).faults)


def test_the_variables_of_the_callers_shell_do_not_count(
    compose_checker: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE", "api:1")
    (folder / "compose.yml").write_text(SOUND.replace("image: api:1", "image: ${IMAGE:?name it}"))
    assert "IMAGE" in "\n".join(check(compose_checker, folder / "compose.yml", {}).faults)


def test_the_command_accepts_our_own_file(compose_checker: Path) -> None:
    assert compose_checker.exists()
    assert main([]) == 0


def test_the_command_names_file_and_fault(
    compose_checker: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compose_checker.exists()
    (folder / "compose.yml").write_text(SOUND.replace("image: api:1", "hostname: api"))
    assert main([str(folder / "compose.yml")]) == 1
    assert "compose.yml: " in capsys.readouterr().err
