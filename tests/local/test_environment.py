from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from contracts.principal import Role
from local.environment import ROOT, foreign_environment, own_environment
from settings import DatabaseSettings, GkeMode, GkeSettings, LlmSettings, OidcSettings, Settings


def test_a_child_reads_back_the_settings_its_parent_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        state_dir=tmp_path,
        database=DatabaseSettings(url="postgresql://u:p%40ss@h/db"),
        llm=LlmSettings(api_key="key", timeout=timedelta(seconds=1.5), allowed_models=("gpt-5-mini", 'a"b')),
        oidc=OidcSettings(
            issuer="https://login.example", roles={"sre": (Role.OPERATOR, Role.VIEWER), 'a "b"': ()}
        ),
        gke=GkeSettings(mode=GkeMode.GOOGLE, poll_interval=timedelta(milliseconds=20)),
    )
    environment = own_environment(settings)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_a_change_overrides_a_setting_and_none_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LLM__API_KEY", "secret")
    monkeypatch.setenv("SLUICE_TEMPORAL__ADDRESS", "old:7233")
    environment = own_environment(Settings(), LLM__API_KEY=None, TEMPORAL__ADDRESS="new:7233")
    assert "SLUICE_LLM__API_KEY" not in environment
    assert environment["SLUICE_TEMPORAL__ADDRESS"] == "new:7233"
    assert environment["PYTHONPATH"] == str(ROOT)


def test_a_program_that_is_not_ours_gets_no_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LLM__API_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "secret" not in foreign_environment().values()
    assert "PATH" in foreign_environment()
