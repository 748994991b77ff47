"""What the checks of the Compose file need: the built checker, secrets as the script makes them, the file itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings import Settings
from tools.compose_check import checker, practice_variables, prepare_secrets
from tools.programs import quiet


@pytest.fixture(scope="session")
def compose_checker() -> Path:
    return checker(Settings().state_dir, quiet)


@pytest.fixture(scope="session")
def compose_variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    secrets = tmp_path_factory.mktemp("secrets")
    prepare_secrets(secrets)
    return {**practice_variables(), "SLUICE_DEPLOY_SECRETS": str(secrets)}
