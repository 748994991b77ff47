"""`/metrics` in Prometheus text format: HTTP traffic, and what waits in the database at the time of the scrape."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from adapters.store import backlog
from adapters.store.backlog import Backlog
from api.parts import ApiParts
from contracts.errors import StoreUnavailable

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class BacklogMetrics:
    """Gauges that are read from the database when somebody scrapes. No label holds an id."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._up = Gauge("sluice_database_up", "Whether the database answered.", registry=registry)
        self._proposals = Gauge(
            "sluice_proposals", "Proposals that are not final, and dirty ones.", ("state",), registry=registry
        )
        self._outbox = Gauge("sluice_outbox_pending", "Outbox rows not delivered.", registry=registry)
        self._outbox_age = Gauge(
            "sluice_outbox_oldest_age_seconds", "How late the latest of them is.", registry=registry
        )
        self._events = Gauge("sluice_audit_unnumbered", "Audit events not yet numbered.", registry=registry)
        self._events_age = Gauge(
            "sluice_audit_unnumbered_oldest_age_seconds", "Age of the oldest of them.", registry=registry
        )
        self._halts = Gauge("sluice_halts_open", "Halts that have not ended.", registry=registry)
        self._breakers = Gauge("sluice_breakers_open", "Breakers that are not closed.", registry=registry)
        self._grants = Gauge(
            "sluice_break_glass", "Break-glass grants that are not over.", ("status",), registry=registry
        )
        self._configuration_at = Gauge(
            "sluice_configuration_loaded_timestamp_seconds",
            "When the configuration in force was loaded.",
            registry=registry,
        )
        self._configuration_refused = Gauge(
            "sluice_configuration_refused", "Whether a newer configuration is refused.", registry=registry
        )

    async def render(self, parts: ApiParts) -> bytes:
        """Return the text of all metrics. Without a database the rest is still there."""
        if parts.live is not None:
            self._configuration_at.set(parts.live.loaded.at.timestamp())
            self._configuration_refused.set(parts.live.refused is not None)
        try:
            async with parts.database.reading() as connection:
                self._set(await backlog.measure(connection, parts.tenant))
            self._up.set(1)
        except StoreUnavailable:
            self._up.set(0)
        return generate_latest(self._registry)

    def _set(self, found: Backlog) -> None:
        for state, count in found.proposals.items():
            self._proposals.labels(state.value).set(count)
        self._outbox.set(found.outbox_rows)
        self._outbox_age.set(found.outbox_oldest)
        self._events.set(found.unnumbered_events)
        self._events_age.set(found.unnumbered_oldest)
        self._halts.set(found.halts)
        self._breakers.set(found.open_breakers)
        for status, grants in found.grants.items():
            self._grants.labels(status).set(grants)
