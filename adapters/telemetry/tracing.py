"""OpenTelemetry tracing: one provider per process, OTLP over gRPC where an endpoint is set."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from settings import TelemetrySettings


def install_tracing(settings: TelemetrySettings, process: str) -> TracerProvider:
    """Install the global tracer provider of a process (`api`, `worker`) and return it.

    Without `otlp_endpoint` spans are made, so that trace ids exist in logs and errors, and go nowhere.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": "sluice", "sluice.process": process}),
        # A caller names the trace; that it is not to be seen is not his to say.
        sampler=ParentBased(root=ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON),
    )
    if settings.otlp_endpoint is not None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        insecure = not settings.otlp_endpoint.startswith("https://")
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=insecure)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider
