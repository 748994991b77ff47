"""The optional refresh, against a server on this machine that speaks the documented shape of Google's catalog."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from adapters.prices.catalog import COMPUTE_ENGINE, CatalogUnavailable, Matched, match, skus
from adapters.prices.price_table import PriceTable
from contracts.errors import PriceUnknown
from tests.adapters.prices.test_price_table import pool
from tests.docs.pages import ROOT

KEY = "a-key-that-nobody-may-see"


def sku(description: str, usd: str, *regions: str, usage: str = "OnDemand", **changes: Any) -> dict[str, Any]:
    units, _, nanos = usd.partition(".")
    rate = {
        "startUsageAmount": 0,
        "unitPrice": {"currencyCode": "USD", "units": units, "nanos": int(nanos.ljust(9, "0"))},
    }
    return {
        "name": f"services/{COMPUTE_ENGINE}/skus/0000",
        "skuId": "0000",
        "description": description,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": "Compute",
            "resourceGroup": "CPU",
            "usageType": usage,
        },
        "serviceRegions": list(regions or ("europe-west4",)),
        "pricingInfo": [
            {
                "effectiveTime": "2026-11-20T08:00:00.000000Z",
                "summary": "",
                "pricingExpression": {"usageUnit": "h", "displayQuantity": 1, "tieredRates": [rate]},
                "currencyConversionRate": 1,
            }
        ],
        "serviceProviderName": "Google",
    } | changes


CATALOG = [
    sku("N2 Instance Core running in Netherlands", "0.0348", "europe-west4", "us-central1"),
    sku("N2 Instance Ram running in Netherlands", "0.00466"),
    sku("Spot Preemptible N2 Instance Core running in Netherlands", "0.0101", usage="Preemptible"),
    sku("Spot Preemptible N2 Instance Ram running in Netherlands", "0.0013", usage="Preemptible"),
    sku("N2D AMD Instance Core running in Netherlands", "0.03"),
    sku("G2 Instance Core running in Netherlands", "0.0275"),
    sku("G2 Instance Ram running in Netherlands", "0.0032"),
    sku("Nvidia L4 GPU running in Netherlands", "0.6166"),
    sku("Nvidia Tesla T4 GPU running in Netherlands", "0.35"),
    sku(
        "Nvidia Tesla T4 GPU attached to Spot Preemptible VMs running in Netherlands",
        "0.14",
        usage="Preemptible",
    ),
    sku("Commitment v1: N2 Cpu in Netherlands for 1 Year", "0.02", usage="Commit1Yr"),
    sku("Storage PD Capacity", "0.04", category={"resourceFamily": "Storage", "usageType": "OnDemand"}),
    sku("Sole Tenancy Premium for N2", "0.0035"),
]


@dataclass
class Catalog:
    """What the server answers, and what it was asked."""

    url: str = ""
    pages: list[Any] = field(default_factory=lambda: [CATALOG[:5], CATALOG[5:]])
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Address, and the key in the header."""


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    found = Catalog()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.path, self.headers["X-Goog-Api-Key"] or ""))
            asked = parse_qs(urlsplit(self.path).query)
            number = int(asked.get("pageToken", ["0"])[0])
            more = str(number + 1) if number + 1 < len(found.pages) else ""
            body = json.dumps({"skus": found.pages[number], "nextPageToken": more}).encode()
            self.send_response(found.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def refresh(catalog: Catalog, tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    command = [sys.executable, "-P", "-m", "cli.main", "prices", "refresh", "--api-key-file", str(key)]
    return subprocess.run(
        [*command, "--to", str(tmp_path / "table.csv"), "--catalog", catalog.url, *more],
        env={"PYTHONPATH": str(ROOT), "SLUICE_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_table_is_made_of_cores_memory_and_gpus(catalog: Catalog, tmp_path: Path) -> None:
    done = refresh(catalog, tmp_path, "-o", "json")
    assert done.returncode == 0, done.stderr
    table = PriceTable.load(tmp_path / "table.csv")
    n2 = table.node_price("europe-west4", pool("n2-standard-4"))
    assert n2.per_hour == 4 * Decimal("0.0348") + 16 * Decimal("0.00466")
    spot = table.node_price("europe-west4-b", pool("n2-standard-4", spot=True))
    assert spot.per_hour == 4 * Decimal("0.0101") + 16 * Decimal("0.0013")
    g2 = table.node_price("europe-west4", pool("g2-standard-24"))
    assert g2.per_hour == 24 * Decimal("0.0275") + 96 * Decimal("0.0032") + 2 * Decimal("0.6166")
    assert (n2.source, n2.as_of.isoformat()) == ("Google Cloud Billing Catalog API", "2026-11-20")
    names = {(one["kind"], one["name"]) for one in table.listed()}
    assert ("accelerator", "nvidia-tesla-t4") in names


@pytest.mark.parametrize(
    ("location", "machine_type", "spot"),
    [
        ("us-central1", "n2-standard-4", False),
        ("europe-west4", "n2d-standard-8", False),
        ("europe-west4", "g2-standard-8", True),
    ],
    ids=["memory is not priced there", "memory is not priced", "no Spot price"],
)
def test_what_lacks_a_part_has_no_price(
    catalog: Catalog, tmp_path: Path, location: str, machine_type: str, spot: bool
) -> None:
    assert refresh(catalog, tmp_path).returncode == 0
    with pytest.raises(PriceUnknown):
        PriceTable.load(tmp_path / "table.csv").node_price(location, pool(machine_type, spot=spot))


def test_what_could_not_be_matched_is_named(catalog: Catalog, tmp_path: Path) -> None:
    unmatched = json.loads(refresh(catalog, tmp_path, "-o", "json").stdout)["unmatched"]
    assert "Sole Tenancy Premium for N2" in unmatched
    assert "n2d-standard-8: no region prices its cores, memory and GPUs" in unmatched
    assert not any(
        "Commitment" in one or "Storage" in one or one.startswith("n2-standard") for one in unmatched
    )


def test_the_key_travels_in_a_header_and_is_never_shown(catalog: Catalog, tmp_path: Path) -> None:
    done = refresh(catalog, tmp_path)
    assert [key for _, key in catalog.asked] == [KEY, KEY]
    assert all(KEY not in address for address, _ in catalog.asked)
    assert all(address.startswith(f"/v1/services/{COMPUTE_ENGINE}/skus?") for address, _ in catalog.asked)
    catalog.status = 403
    refused = refresh(catalog, tmp_path)
    assert (refused.returncode, "HTTP 403" in refused.stderr) == (1, True)
    assert KEY not in done.stdout + done.stderr + refused.stdout + refused.stderr


def test_a_catalog_that_fails_half_way_leaves_the_old_table(catalog: Catalog, tmp_path: Path) -> None:
    assert refresh(catalog, tmp_path).returncode == 0
    before = (tmp_path / "table.csv").read_bytes()
    catalog.pages = [CATALOG[:5], "no list"]
    assert refresh(catalog, tmp_path).returncode == 1
    catalog.pages = [[]]
    assert refresh(catalog, tmp_path).returncode == 1
    assert (tmp_path / "table.csv").read_bytes() == before


async def test_a_catalog_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(CatalogUnavailable):
        [one async for one in skus(SecretStr(KEY), url="http://127.0.0.1:9")]


@pytest.mark.parametrize(
    "changes",
    [
        {"pricingInfo": []},
        {"pricingInfo": [{"effectiveTime": "yesterday"}]},
        {"pricingInfo": CATALOG[0]["pricingInfo"] * 2},
        {"description": "Spot Preemptible N2 Instance Core running in Netherlands"},
        {"description": 7},
    ],
    ids=["no price", "no date", "two prices", "Spot by name only", "no text"],
)
def test_a_sku_of_another_shape_gives_no_price(changes: dict[str, Any]) -> None:
    found = Matched()
    match(found, CATALOG[0] | changes)
    assert (found.prices, len(found.unmatched)) == ({}, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("usageUnit", "mo"), ("tieredRates", [])], ids=["per month", "no rate"]
)
def test_a_price_that_is_not_per_hour_is_none(name: str, value: object) -> None:
    (info,) = CATALOG[0]["pricingInfo"]
    expression = info["pricingExpression"] | {name: value}
    found = Matched()
    match(found, CATALOG[0] | {"pricingInfo": [info | {"pricingExpression": expression}]})
    assert found.prices == {}


def test_of_two_prices_for_one_thing_the_higher_counts() -> None:
    found = Matched()
    for usd in ("0.03", "0.05", "0.04"):
        match(found, sku("N2 Instance Core running in Netherlands", usd))
    assert list(found.prices.values()) == [Decimal("0.05")]


def test_show_checks_a_table_and_lists_it(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "cli.main", "prices", "show"]
    environment = {"PYTHONPATH": str(ROOT), "SLUICE_STATE_DIR": str(tmp_path)}
    shown = subprocess.run(
        [*command, "--region", "europe-west4", "-o", "json"], env=environment, capture_output=True, text=True
    )
    assert {one["region"] for one in json.loads(shown.stdout)["items"]} == {"europe-west4"}
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("sku_kind,name\ninstance,n2\n")
    refused = subprocess.run([*command, str(wrong)], env=environment, capture_output=True, text=True)
    assert (refused.returncode, "wrong.csv:2: not a price row" in refused.stderr) == (2, True)
