"""The whole stack in one file: it is valid, every process is fenced in, and its pins agree with the rest of us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.messages import QUEUE_AGENT, QUEUE_EFFECTS, QUEUE_MAIN
from tests.docs.pages import rows
from tools.catalogue import OPA, TEMPORAL
from tools.compose_check import COMPOSE_FILE, ROOT, check

ONCE = {"migrate", "policies", "tokens"}
READ_BY = {
    row[0].strip("`"): row[2].split()
    for row in rows("settings.md")
    if len(row) == 4 and row[0].startswith("`SLUICE_")
}
"""Setting → the parts that read it, by their letters."""
BY_FILES = {
    "SLUICE_OIDC__CLIENT_SECRET",
    "SLUICE_TEMPORAL__API_KEY",
    "SLUICE_KUBERNETES__KUBECONFIG",
}
"""They come with a file that not everybody has: by an override, as deploy/README.md shows."""
NO_USE = {"SLUICE_READY_FILE"}
"""Health checks take its place."""


@pytest.fixture(scope="module")
def project(compose_checker: Path, compose_variables: dict[str, str]) -> dict[str, Any]:
    outcome = check(compose_checker, COMPOSE_FILE, compose_variables)
    assert outcome.faults == ()
    resolved: dict[str, Any] = json.loads(outcome.project)
    return resolved


@pytest.fixture
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = project["services"]
    return found


def test_the_stack_has_every_process_of_the_design(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {
        *("postgres", "temporal", "opa", "api", "worker", "effects", "agent", "gke"),
        *ONCE,
    }


@pytest.mark.parametrize("missing", ["SLUICE_GKE__MODE", "SLUICE_CONFIG_DIR"])
def test_nothing_starts_without_a_mode_and_a_configuration(
    compose_checker: Path, compose_variables: dict[str, str], missing: str
) -> None:
    rest = {name: value for name, value in compose_variables.items() if name != missing}
    faults = check(compose_checker, COMPOSE_FILE, rest).faults
    assert any(missing in fault for fault in faults)


def test_every_service_drops_what_it_does_not_need(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert "privileged" not in service, name
        limits = service["deploy"]["resources"]["limits"]
        assert limits["cpus"], name
        assert int(limits["memory"]) > 0, name
        assert limits["pids"] > 0, name


def test_every_service_that_stays_up_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    for name in set(services) - ONCE:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
        assert services[name]["restart"] == "unless-stopped", name
    for name in ONCE:
        assert services[name]["restart"] == "no", name


def test_whoever_waits_for_a_lasting_service_waits_for_its_health(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, service in services.items():
        for dependency, wait in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if dependency in ONCE else "service_healthy"
            assert wait["condition"] == wanted, (name, dependency)


def test_only_the_api_and_the_temporal_ui_are_published_and_on_loopback_only(
    services: dict[str, dict[str, Any]],
) -> None:
    published = {
        (name, port["target"], port["host_ip"])
        for name, service in services.items()
        for port in service.get("ports", [])
    }
    assert published == {("api", 8470, "127.0.0.1"), ("temporal", 8233, "127.0.0.1")}


def test_database_policy_engine_and_emulator_cannot_be_reached_from_outside_or_by_the_agent(
    project: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert project["networks"]["data"]["internal"] is True
    for name in ("postgres", "opa", "gke", "tokens"):
        assert set(services[name]["networks"]) == {"data"}, name
    assert set(services["agent"]["networks"]) == {"workflows", "outside"}
    assert services["policies"]["network_mode"] == "none"


def test_whoever_speaks_to_temporal_reaches_one_that_runs_elsewhere(
    compose_checker: Path, compose_variables: dict[str, str]
) -> None:
    elsewhere = {"SLUICE_TEMPORAL__ADDRESS": "temporal.example:7233", "SLUICE_TEMPORAL__TLS": "true"}
    found = json.loads(check(compose_checker, COMPOSE_FILE, compose_variables | elsewhere).project)[
        "services"
    ]
    speaking = {
        name for name, one in found.items() if "SLUICE_TEMPORAL__ADDRESS" in (one.get("environment") or {})
    }
    assert speaking == {"migrate", "api", "worker", "effects", "agent"}
    for name in speaking:
        assert "outside" in found[name]["networks"], name
        assert elsewhere.items() <= found[name]["environment"].items(), name


def test_every_setting_reaches_the_parts_that_read_it(
    compose_checker: Path, compose_variables: dict[str, str]
) -> None:
    given = dict.fromkeys(READ_BY, "1")
    found = json.loads(check(compose_checker, COMPOSE_FILE, compose_variables | given).project)["services"]
    for letter, service in {"A": "api", "M": "worker", "E": "effects", "G": "agent"}.items():
        read = {name for name, parts in READ_BY.items() if letter in parts}
        by_secret = {secret["target"].upper() for secret in found[service]["secrets"]}
        missing = read - set(found[service]["environment"]) - by_secret
        assert missing <= BY_FILES | NO_USE, service


def test_the_configuration_is_mounted_as_a_directory_by_those_that_read_it(
    services: dict[str, dict[str, Any]],
) -> None:
    practice = str(ROOT / "local")
    mounted = {
        name
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if (volume["source"], volume["target"]) == (practice, "/etc/sluice")
        and volume["read_only"]
        and not volume["bind"].get("create_host_path")
    }
    assert mounted == {"api", "worker", "effects", "tokens"}
    for name in mounted:
        assert services[name]["environment"]["SLUICE_CONFIG"] == "/etc/sluice/practice.yaml"


def test_the_secrets_of_webhooks_reach_the_api_alone(
    services: dict[str, dict[str, Any]], compose_variables: dict[str, str]
) -> None:
    webhooks = str(Path(compose_variables["SLUICE_DEPLOY_SECRETS"]) / "webhooks")
    assert Path(webhooks).is_dir()
    mounted = [
        (name, volume["target"], volume["read_only"])
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["source"] == webhooks
    ]
    assert mounted == [("api", "/run/webhooks", True)]


def test_the_override_that_the_page_shows_gives_each_part_its_files(
    compose_checker: Path, compose_variables: dict[str, str], tmp_path: Path
) -> None:
    page = (ROOT / "deploy" / "README.md").read_text()
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    override = tmp_path / "override.yml"
    override.write_text(shown.replace("deploy/secrets", str(tmp_path)))
    for secret in yaml.safe_load(override.read_text())["secrets"].values():
        Path(secret["file"]).touch()
    both = tmp_path / "both.yml"
    both.write_text(
        yaml.safe_dump(
            {"include": [{"path": [str(COMPOSE_FILE), str(override)], "project_directory": str(ROOT)}]}
        )
    )
    outcome = check(compose_checker, both, compose_variables)
    assert outcome.faults == ()
    found = json.loads(outcome.project)["services"]
    held = {
        name: {secret["target"] for secret in found[name]["secrets"]} & {one.lower() for one in BY_FILES}
        for name in ("migrate", "api", "worker", "effects", "agent")
    }
    temporal, oidc = "sluice_temporal__api_key", "sluice_oidc__client_secret"
    assert held == {
        **{name: {temporal} for name in ("migrate", "worker", "effects", "agent")},
        "api": {temporal, oidc},
    }
    for name in ("worker", "effects"):
        credentials = Path(found[name]["environment"]["GOOGLE_APPLICATION_CREDENTIALS"])
        assert credentials.name in {secret["target"] for secret in found[name]["secrets"]}


def test_every_image_is_pinned_to_a_version(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        _, _, tag = service["image"].partition(":")
        assert any(character.isdigit() for character in tag), name
        assert "latest" not in tag, name


def test_temporal_and_opa_have_the_versions_that_the_tools_pin(services: dict[str, dict[str, Any]]) -> None:
    assert services["opa"]["image"] == f"openpolicyagent/opa:{OPA.pinned}-static"
    assert services["temporal"]["image"] == f"sluice-temporal:{TEMPORAL.pinned}"
    recipe = (ROOT / "deploy" / "temporal" / "Dockerfile").read_text()
    assert f"\nFROM temporalio/temporal:{TEMPORAL.pinned}\n" in recipe


def test_every_task_queue_has_one_worker_that_is_checked_on_that_queue(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, queue in {"worker": QUEUE_MAIN, "effects": QUEUE_EFFECTS, "agent": QUEUE_AGENT}.items():
        short = queue.removeprefix("sluice-")
        assert services[name]["command"] == ["worker", "--queues", short]
        assert services[name]["healthcheck"]["test"][-2:] == ["worker", queue]


def test_each_process_gets_its_own_secrets_only(services: dict[str, dict[str, Any]]) -> None:
    held = {
        name: {secret["source"] for secret in service.get("secrets", [])}
        for name, service in services.items()
        if service.get("secrets")
    }
    assert held == {
        "postgres": {"database_password"},
        "migrate": {"database_url"},
        "tokens": {"database_url", "tokens"},
        "api": {"database_url", "decision_private", "decision_public", "audit_private", "audit_public"},
        "worker": {"database_url", "decision_public"},
        "effects": {"database_url", "decision_public"},
        "agent": {"llm_api_key"},
    }


def test_no_environment_shows_a_secret(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            assert not variable.endswith(("__URL_PASSWORD", "API_KEY", "DATABASE__URL", "PASSWORD")), (
                name,
                variable,
            )
            assert "sluice_" not in (value or ""), (name, variable)


def test_the_practice_fleet_and_its_tokens_start_only_when_asked_for(
    services: dict[str, dict[str, Any]],
) -> None:
    asked_for = {name for name, service in services.items() if service.get("profiles")}
    assert asked_for == {"gke", "tokens"}
