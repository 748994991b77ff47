from tests.opa_fixtures import opa_url, policy_engine

__all__ = ["opa_url", "policy_engine"]
