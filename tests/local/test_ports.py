from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local.ports import Ports, PortTakenError, free_port, http_url


def test_a_port_is_kept_over_a_restart(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json").choose("temporal")
    assert Ports(tmp_path / "ports.json").choose("temporal") == first


def test_names_have_different_ports(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    assert len({ports.choose(name) for name in "abcdefgh"}) == 8


def test_no_chosen_port_is_one_that_the_system_hands_out_itself() -> None:
    linux_hands_out_from = 32_768
    assert max(free_port() for _ in range(200)) < linux_hands_out_from


def test_a_port_that_somebody_listens_on_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_port()
    other = free_port([taken])
    monkeypatch.setattr("local.ports._CHOICE", (taken, other))
    with socket.create_server(("127.0.0.1", taken)):
        assert {free_port() for _ in range(30)} == {other}


def test_a_kept_port_that_somebody_took_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.ports._RELEASE_LIMIT", 0.05)
    kept = Ports(tmp_path / "ports.json").choose("temporal")
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", kept))
        taker.listen()
        replaced = Ports(tmp_path / "ports.json").choose("temporal")
    assert replaced != kept
    assert Ports(tmp_path / "ports.json").choose("temporal") == replaced


def test_a_taken_port_that_a_setting_names_is_an_error_with_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.ports._RELEASE_LIMIT", 0.05)
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", 0))
        taker.listen()
        port = taker.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} on 127.0.0.1 is in use.*SLUICE_HTTP__PORT"):
            Ports(tmp_path / "ports.json").claim("127.0.0.1", port, "SLUICE_HTTP__PORT")


def test_a_named_port_is_taken_as_it_is_and_zero_means_any_but_the_same(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    ports, port = Ports(tmp_path / "ports.json"), free_port()
    assert ports.claim("127.0.0.1", port, "SLUICE_HTTP__PORT") == port
    chosen = ports.claim("127.0.0.1", 0, "SLUICE_HTTP__PORT")
    assert chosen > 0
    assert Ports(tmp_path / "ports.json").claim("127.0.0.1", 0, "SLUICE_HTTP__PORT") == chosen


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")]
)
def test_an_address_is_one_that_clients_take(host: str, shown: str) -> None:
    assert http_url(host, 8470) == f"http://{shown}:8470"
    assert httpx.URL(http_url(host, 8470)).port == 8470
