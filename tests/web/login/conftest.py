from __future__ import annotations

from tests.oidc_fixtures import oidc_provider

__all__ = ["oidc_provider"]
