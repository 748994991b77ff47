from __future__ import annotations

from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from tools.compose_check import COMPOSE_FILE

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
OURS = [
    name
    for name, service in SERVICES.items()
    if service["image"].startswith("sluice:") and "entrypoint" not in service
]


def test_the_processes_of_sluice_are_among_the_services() -> None:
    assert {"api", "worker", "effects", "agent", "migrate", "tokens"} <= set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_a_command_that_the_command_line_has(name: str) -> None:
    asked = CliRunner().invoke(app, [*SERVICES[name]["command"], "--help"])
    assert asked.exit_code == 0, asked.output
