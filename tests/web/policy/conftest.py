from tests.opa_fixtures import opa_url

__all__ = ["opa_url"]
