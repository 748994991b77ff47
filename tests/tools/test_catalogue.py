from __future__ import annotations

import pytest

from tools.catalogue import OPA, PROGRAMS, TEMPORAL, TOXIPROXY, Version


@pytest.mark.parametrize("version", ["1.29.0", "1.29.4", "1.30.0", "1.30.2"])
def test_a_temporal_server_with_open_namespaces_is_refused(version: str) -> None:
    found = TEMPORAL.version_in(f"temporal version 1.5.1 (Server {version}, UI 2.40.0)")
    assert found is not None
    assert "CVE-2026-5199" in (TEMPORAL.objection(found) or "")


@pytest.mark.parametrize("version", [(1, 28, 0), (1, 29, 5), (1, 30, 3), (1, 31, 2), (2, 0, 0)])
def test_a_sound_temporal_server_is_accepted(version: tuple[int, int, int]) -> None:
    assert TEMPORAL.objection(Version(*version)) is None


def test_an_old_version_is_refused_with_the_least_that_will_do() -> None:
    assert TEMPORAL.objection(Version(1, 27, 9)) == "Temporal server 1.27.9 is older than 1.28.0"
    assert OPA.objection(Version(0, 70, 0)) == "OPA 0.70.0 is older than 1.0.0"


def test_the_version_of_opa_is_its_own_and_not_that_of_go() -> None:
    assert OPA.version_in("Version: 1.22.0\nBuild Commit: \nGo Version: go1.26.8\n") == Version(1, 22, 0)
    assert OPA.version_in("Go Version: go1.26.8\n") is None


def test_toxiproxy_is_known_by_its_version_and_is_nothing_that_setup_gets() -> None:
    assert TOXIPROXY.version_in("toxiproxy-server version 2.12.0\n") == Version(2, 12, 0)
    assert TOXIPROXY.version_in("toxiproxy-server version git\n") is None
    assert TOXIPROXY.name not in PROGRAMS
