"""Settings from the environment, and from a directory of secret files, as containers and Kubernetes give them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from settings import Settings


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SLUICE_DATABASE__URL", "SLUICE_DATABASE__POOL_SIZE", "SLUICE_LLM__API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLUICE_SECRETS_DIR", str(tmp_path))
    return tmp_path


def url_of(settings: Settings) -> str | None:
    return settings.database.url.get_secret_value() if settings.database.url else None


def test_a_file_gives_the_setting_that_it_is_named_after(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "sluice_database__url").write_text("postgresql://a:b@c/d\n")
    monkeypatch.setenv("SLUICE_DATABASE__POOL_SIZE", "3")
    settings = Settings()
    assert url_of(settings) == "postgresql://a:b@c/d"
    assert settings.database.pool_size == 3


def test_the_environment_wins_over_a_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "sluice_database__url").write_text("postgresql://file/d")
    monkeypatch.setenv("SLUICE_DATABASE__URL", "postgresql://environment/d")
    assert url_of(Settings()) == "postgresql://environment/d"


def test_other_files_beside_it_are_left_alone(secrets: Path) -> None:
    (secrets / "decision_private.pem").write_text("not for the settings")
    assert url_of(Settings()) is None


def test_a_kubernetes_volume_with_its_links_works(secrets: Path) -> None:
    (secrets / "..2026_01_01").mkdir()
    (secrets / "..2026_01_01" / "sluice_database__url").write_text("postgresql://a/b")
    (secrets / "..data").symlink_to("..2026_01_01")
    (secrets / "sluice_database__url").symlink_to("..data/sluice_database__url")
    assert url_of(Settings()) == "postgresql://a/b"


def test_an_empty_file_for_the_models_key_means_no_key(secrets: Path) -> None:
    (secrets / "sluice_llm__api_key").write_text("\n")
    assert Settings().llm.api_key is None


def test_a_misspelled_name_in_a_group_is_refused(secrets: Path) -> None:
    (secrets / "sluice_database__ulr").write_text("postgresql://a/b")
    with pytest.raises(ValidationError, match="ulr"):
        Settings()


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="does not exist"):
        Settings()


@pytest.mark.parametrize(
    ("written", "read"),
    [("2", timedelta(seconds=2)), ("0.25", timedelta(milliseconds=250)), ("PT1M30S", timedelta(seconds=90))],
)
def test_a_length_of_time_is_a_number_of_seconds_or_iso_8601(
    monkeypatch: pytest.MonkeyPatch, written: str, read: timedelta
) -> None:
    monkeypatch.setenv("SLUICE_OPA__TIMEOUT", written)
    assert Settings().opa.timeout == read


def test_every_length_of_time_may_be_spelled_as_the_page_spells_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    defaults = Settings()
    monkeypatch.setenv("SLUICE_WEB__SESSION_LIFETIME", "43200")
    monkeypatch.setenv("SLUICE_WEB__IDLE_TIMEOUT", "7200")
    monkeypatch.setenv("SLUICE_TEMPORAL__STICKY_TIMEOUT", "1.5")
    monkeypatch.setenv("SLUICE_LLM__TIMEOUT", "30")
    monkeypatch.setenv("SLUICE_GKE__CALL_TIMEOUT", "45")
    monkeypatch.setenv("SLUICE_GKE__OPERATION_TIMEOUT", "1800")
    monkeypatch.setenv("SLUICE_GKE__POLL_INTERVAL", "5")
    assert Settings() == defaults


@pytest.mark.parametrize("written", ["0", "-1", "PT0S", "-PT5S", "nan", "inf", "soon"])
@pytest.mark.parametrize(
    "name",
    [
        "OPA__TIMEOUT",
        "LLM__TIMEOUT",
        "TEMPORAL__STICKY_TIMEOUT",
        "GKE__CALL_TIMEOUT",
        "GKE__OPERATION_TIMEOUT",
        "GKE__POLL_INTERVAL",
        "WEB__SESSION_LIFETIME",
        "WEB__IDLE_TIMEOUT",
    ],
)
def test_a_length_of_time_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str
) -> None:
    monkeypatch.setenv(f"SLUICE_{name}", written)
    with pytest.raises(ValidationError, match=name.lower().replace("__", ".")):
        Settings()


@pytest.mark.parametrize(
    "name",
    [
        "HTTP__HOST",
        "DATABASE__URL",
        "TEMPORAL__ADDRESS",
        "OIDC__ISSUER",
        "OIDC__ROLES",
        "GKE__MODE",
        "TELEMETRY__OTLP_ENDPOINT",
        "CONFIG",
    ],
)
def test_a_variable_with_nothing_in_it_is_one_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(f"SLUICE_{name}", raising=False)
    unset = Settings()
    monkeypatch.setenv(f"SLUICE_{name}", "")
    assert Settings() == unset


@pytest.mark.parametrize("name", ["LLM__BASE_URL", "GKE__COMPUTE_ENDPOINT", "WEB__TEMPORAL_UI_URL"])
def test_an_address_of_http_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"SLUICE_{name}", "api.example.com/v1")
    with pytest.raises(ValidationError, match=name.lower().replace("__", ".")):
        Settings()
    monkeypatch.setenv(f"SLUICE_{name}", "https://api.example.com/v1")
    assert Settings()
