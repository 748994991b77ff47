from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.observed import HttpMetrics
from api.operations.metrics import BacklogMetrics
from tests.docs.pages import rows


def test_the_page_has_every_metric_with_its_type() -> None:
    registry = CollectorRegistry()
    HttpMetrics(registry).observe("GET", "/healthz", 200, 0.01)
    BacklogMetrics(registry)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    served = {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in families
        if not family.name.endswith("_created")
    }
    page = {row[0].strip("`"): row[1] for row in rows("metrics.md") if row[0].startswith("`sluice_")}
    assert page == served
