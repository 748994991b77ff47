"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request, Response

from api.authentication import OperatorOrAdmin, Reader
from api.operations.configuration import ConfigurationView, configuration_view
from api.operations.metrics import CONTENT_TYPE, BacklogMetrics
from api.operations.readiness import Readiness, ReadinessChecks
from api.parts import Parts

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Tell that the process runs. Asks nothing of other parts: a restart would not cure them."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "A part does not answer."}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Tell whether database, Temporal and OPA answer, the tables are of this version, and OPA has policies."""
    checks = cast("ReadinessChecks", request.app.state.readiness)
    found = await checks.read()
    response.status_code = 200 if found.ready else 503
    return found


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, parts: Parts, _: Reader) -> Response:
    """Metrics in Prometheus text format. A scraper holds a viewer's token, as any other reader."""
    gauges = cast("BacklogMetrics", request.app.state.metrics)
    return Response(await gauges.render(parts), media_type=CONTENT_TYPE)


@router.get("/v1/configuration", responses={404: {"description": "It was given in code, not in a file."}})
async def configuration(parts: Parts, _: OperatorOrAdmin) -> ConfigurationView:
    """Tell which configuration is in force in this process, and why a newer file is refused."""
    return configuration_view(parts)
