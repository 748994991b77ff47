"""The outside that workers and API ask: the provider under its two identities, the policy engines, Kubernetes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.opened import Opened, required
from contracts.errors import ConfigurationInvalid
from settings import GkeMode, Settings

if TYPE_CHECKING:
    from adapters.gke.effector import GkeNodePoolEffector
    from adapters.gke.reader import GkeNodePoolReader
    from adapters.kubernetes.load import KubernetesLoadReader
    from adapters.opa.engine import OpaPolicyEngine


def viewer_of_pools(opened: Opened) -> GkeNodePoolReader:
    """Reads the provider under the identity that may only look."""
    from adapters.gke.reader import GkeNodePoolReader

    if opened.mode() is GkeMode.GOOGLE:
        return opened.keep(GkeNodePoolReader.to_google())
    return opened.keep(GkeNodePoolReader.to_endpoint(*_endpoints(opened.settings)))


def effector_of_pools(opened: Opened) -> GkeNodePoolEffector:
    """Changes the provider under the one identity that may."""
    from adapters.gke.effector import GkeNodePoolEffector

    if opened.mode() is GkeMode.GOOGLE:
        return opened.keep(GkeNodePoolEffector.to_google())
    return opened.keep(GkeNodePoolEffector.to_endpoint(*_endpoints(opened.settings)))


def _endpoints(settings: Settings) -> tuple[str, str]:
    return (
        required(settings.gke.endpoint, "SLUICE_GKE__ENDPOINT", "host:port of a ClusterManager"),
        required(
            settings.gke.compute_endpoint, "SLUICE_GKE__COMPUTE_ENDPOINT", "an http URL of the Compute API"
        ),
    )


def policy_engine(opened: Opened) -> OpaPolicyEngine:
    """Open Policy Agent with the policies in force."""
    from adapters.opa.engine import OpaPolicyEngine

    opa = opened.settings.opa
    url = required(opa.url, "SLUICE_OPA__URL", "Open Policy Agent: http://host:port or unix:///path")
    return opened.keep(OpaPolicyEngine(url, timeout=opa.timeout, required=opa.required))


def kubeconfig_of(opened: Opened) -> Path | None:
    """Return the file that names clusters, where there is one.

    Raises:
        ConfigurationInvalid: it cannot be read. Each change would be made, and then be taken for unverified.
    """
    named = opened.settings.kubernetes.kubeconfig
    # As the library reads it: several files may be named, and those that are not there are passed over.
    files = [Path(one).expanduser() for one in str(named).split(os.pathsep)]
    if named is not None and not any(file.is_file() and os.access(file, os.R_OK) for file in files):
        raise ConfigurationInvalid(f"SLUICE_KUBERNETES__KUBECONFIG: {named} cannot be read")
    return named


def load_reader(opened: Opened) -> KubernetesLoadReader | None:
    """What runs on a pool, where a cluster is configured."""
    from adapters.kubernetes.load import KubernetesLoadReader

    kubeconfig = kubeconfig_of(opened)
    return opened.keep(KubernetesLoadReader(kubeconfig)) if kubeconfig is not None else None


def shadow_engine(opened: Opened) -> OpaPolicyEngine | None:
    """Open Policy Agent with a candidate, which is asked and never counts."""
    from activities.guardrail.asking import SHADOW_PATIENCE
    from adapters.opa.engine import OpaPolicyEngine

    url = opened.settings.opa.shadow_url
    if url is None:
        return None
    required = opened.settings.opa.required
    return opened.keep(OpaPolicyEngine(url, timeout=SHADOW_PATIENCE, required=required))
