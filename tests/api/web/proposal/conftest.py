"""Pages of proposals that real guard passes judged, over ASGI: no browser here (tests/web has one)."""

from __future__ import annotations

from tests.api.explanation.conftest import gates
from tests.opa_fixtures import opa_url, policy_engine

__all__ = ["gates", "opa_url", "policy_engine"]
