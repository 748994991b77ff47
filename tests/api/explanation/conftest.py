from __future__ import annotations

import pytest

from adapters.opa.engine import OpaPolicyEngine
from tests.activities.guardrail.conftest import Guards, Provider
from tests.api.serving import Api
from tests.opa_fixtures import opa_url, policy_engine

__all__ = ["opa_url", "policy_engine"]


@pytest.fixture
def gates(api: Api, policy_engine: OpaPolicyEngine) -> Guards:
    """Real guard passes over the proposals that this API serves."""
    return Guards(api.database, Provider(), policy_engine)
