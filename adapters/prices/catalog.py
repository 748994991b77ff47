"""Makes a price table from Google's Cloud Billing Catalog API. An optional command asks it; nothing does at run time.

A SKU is one resource in some regions: a core, a GiB of memory or a GPU, for use on demand or on Spot. A machine type's
price is what its cores, memory and GPUs cost together. What cannot be matched is named, never guessed.

Source: https://cloud.google.com/billing/docs/reference/rest/v1/services.skus/list
"""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from adapters.prices.price_table import SHIPPED
from contracts.errors import ConfigurationInvalid, SluiceError

GOOGLE = "https://cloudbilling.googleapis.com"
COMPUTE_ENGINE = "6F81-5844-456A"
SOURCE = "Google Cloud Billing Catalog API"
COLUMNS = (
    "sku_kind", "name", "region", "vcpus", "memory_gib", "gpu_model", "gpu_count",
    "usd_per_hour", "usd_per_hour_spot", "source", "as_of", "usd_per_gib_month",
)  # fmt: skip
_PAGE = 5_000
_MOST_PAGES = 100
_TIMEOUT = 60.0
_OK = 200
_NANOS = Decimal(10**9)
_MACHINE = re.compile(
    r"(?P<spot>Spot Preemptible )?(?P<family>[A-Z][0-9]{1,2}[A-Z]?)(?: Predefined| AMD| Arm)?"
    r" Instance (?P<part>Core|Ram) running in .+"
)
_GPU = re.compile(
    r"Nvidia (?:Tesla )?(?P<model>[A-Z0-9]+(?: [0-9]+GB)?) GPU(?P<spot> attached to Spot Preemptible VMs)?"
    r" running in .+"
)
_USAGE = {"OnDemand": False, "Preemptible": True}
_ATTACHABLE = {
    "t4": "nvidia-tesla-t4",
    "v100": "nvidia-tesla-v100",
    "p100": "nvidia-tesla-p100",
    "p4": "nvidia-tesla-p4",
}
"""Model → accelerator type, of the GPUs that are attached to N1 machines."""


class CatalogUnavailable(SluiceError):
    """The catalog did not answer, or with something else than SKUs. The message holds no key."""

    reason_code = "catalog_unavailable"


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """What a SKU prices: `core` or `ram` of a machine family, or a `gpu` of a model."""

    part: str
    of: str
    region: str
    spot: bool


@dataclass
class Matched:
    """Unit prices in USD per hour, and what could not be matched."""

    prices: dict[Resource, Decimal] = field(default_factory=dict)
    as_of: date | None = None
    """Of the newest price."""
    unmatched: list[str] = field(default_factory=list)
    """Descriptions of Compute SKUs, or machine types in regions, that gave no price."""


@dataclass(frozen=True, slots=True)
class _Machine:
    name: str
    vcpus: Decimal
    memory: Decimal
    gpu: str
    gpu_count: int


async def skus(key: SecretStr, *, url: str = GOOGLE) -> AsyncIterator[Mapping[str, Any]]:
    """Yield every SKU of Compute Engine, page by page. The key goes in a header, never in the address.

    Raises:
        CatalogUnavailable: it did not answer, refused the key, or does not end.
    """
    address = f"{url.rstrip('/')}/v1/services/{COMPUTE_ENGINE}/skus"
    headers = {"X-Goog-Api-Key": key.get_secret_value()}
    parameters = {"currencyCode": "USD", "pageSize": str(_PAGE)}
    async with httpx.AsyncClient(timeout=_TIMEOUT, headers=headers, follow_redirects=False) as client:
        for _ in range(_MOST_PAGES):
            page = await _page(client, address, parameters)
            for one in page["skus"]:
                yield one
            token = page.get("nextPageToken")
            if not token:
                return
            parameters["pageToken"] = str(token)
    raise CatalogUnavailable("the catalog does not end")


async def _page(client: httpx.AsyncClient, address: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    try:
        answer = await client.get(address, params=dict(parameters))
        if answer.status_code != _OK:
            raise CatalogUnavailable(f"the catalog answered with HTTP {answer.status_code}")
        page = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CatalogUnavailable("the catalog could not be read") from error
    if not isinstance(page, dict) or not isinstance(page.get("skus"), list):
        raise CatalogUnavailable("the catalog answered with something else than SKUs")
    return page


def match(found: Matched, sku: Mapping[str, Any]) -> None:
    """Take a SKU's price up, or note that it could not be matched. Other kinds of SKUs are passed over."""
    category = sku.get("category") or {}
    spot = _USAGE.get(category.get("usageType", ""))
    if category.get("resourceFamily") != "Compute" or spot is None:
        return
    description = str(sku.get("description", ""))
    named = _named(description, spot=spot)
    priced = _price(sku)
    if named is None or priced is None:
        found.unmatched.append(description)
        return
    amount, day = priced
    found.as_of = max(found.as_of or day, day)
    for region in sku.get("serviceRegions") or ():
        resource = Resource(*named, str(region), spot)
        # Two prices for one thing: the higher one never estimates too low.
        found.prices[resource] = max(amount, found.prices.get(resource, amount))


def _named(description: str, *, spot: bool) -> tuple[str, str] | None:
    machine = _MACHINE.fullmatch(description)
    if machine is not None and bool(machine["spot"]) is spot:
        return (machine["part"].lower(), machine["family"].lower())
    gpu = _GPU.fullmatch(description)
    if gpu is not None and bool(gpu["spot"]) is spot:
        return ("gpu", gpu["model"].lower().replace(" ", "-"))
    return None


def _price(sku: Mapping[str, Any]) -> tuple[Decimal, date] | None:
    """Return the price per hour and its day; None unless it is one flat price per hour, in USD."""
    try:
        (info,) = sku["pricingInfo"]
        expression = info["pricingExpression"]
        (rate,) = expression["tieredRates"]
        price = rate["unitPrice"]
        amount = Decimal(str(price.get("units", 0))) + Decimal(int(price.get("nanos", 0))) / _NANOS
        day = datetime.fromisoformat(info["effectiveTime"]).date()
        is_flat = rate["startUsageAmount"] == 0 and price["currencyCode"] == "USD"
        unit = expression["usageUnit"]
    except (KeyError, TypeError, ValueError, InvalidOperation):
        return None
    return (amount, day) if is_flat and unit in ("h", "GiBy.h") and amount > 0 else None


def rows(found: Matched, machines: Path = SHIPPED) -> list[dict[str, str]]:
    """Return the table's rows for the machine types that `machines` knows, in every region that prices all their parts.

    What lacks a part is added to `found.unmatched`.
    """
    regions = sorted({resource.region for resource in found.prices})
    made = []
    for machine in _machines(machines):
        priced = [row for region in regions if (row := _row(found, machine, region)) is not None]
        if not priced:
            found.unmatched.append(f"{machine.name}: no region prices its cores, memory and GPUs")
        made += priced
    return made + [
        _line(
            found,
            "accelerator",
            name,
            region,
            on_demand,
            found.prices.get(Resource("gpu", model, region, True)),
        )
        for model, name in _ATTACHABLE.items()
        for region in regions
        if (on_demand := found.prices.get(Resource("gpu", model, region, False))) is not None
    ]


def _row(found: Matched, machine: _Machine, region: str) -> dict[str, str] | None:
    on_demand = _cost(found.prices, machine, region, spot=False)
    if on_demand is None:
        return None
    spot = _cost(found.prices, machine, region, spot=True)
    line = _line(found, "instance", machine.name, region, on_demand, spot)
    return line | {
        "vcpus": str(machine.vcpus),
        "memory_gib": str(machine.memory),
        "gpu_model": machine.gpu,
        "gpu_count": str(machine.gpu_count),
    }


def _cost(
    prices: Mapping[Resource, Decimal], machine: _Machine, region: str, *, spot: bool
) -> Decimal | None:
    family = machine.name.partition("-")[0]
    parts = [("core", family, machine.vcpus), ("ram", family, machine.memory)]
    if machine.gpu_count:
        parts.append(("gpu", machine.gpu, Decimal(machine.gpu_count)))
    total = Decimal(0)
    for part, of, amount in parts:
        each = prices.get(Resource(part, of, region, spot))
        if each is None:
            return None
        total += each * amount
    return total


def _line(
    found: Matched, kind: str, name: str, region: str, on_demand: Decimal, spot: Decimal | None
) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {
        "sku_kind": kind,
        "name": name,
        "region": region,
        "gpu_count": "1" if kind == "accelerator" else "0",
        "usd_per_hour": f"{on_demand:f}",
        "usd_per_hour_spot": "" if spot is None else f"{spot:f}",
        "source": SOURCE,
        "as_of": found.as_of.isoformat() if found.as_of else "",
    }


def _machines(table: Path) -> Iterable[_Machine]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.DictReader(file) if line["sku_kind"] == "instance"]
    except (OSError, KeyError) as error:
        raise ConfigurationInvalid(f"{table}: cannot be read as a price table") from error
    known = {line["name"]: line for line in lines}
    return [
        _Machine(
            name,
            Decimal(line["vcpus"]),
            Decimal(line["memory_gib"]),
            line["gpu_model"],
            int(line["gpu_count"] or 0),
        )
        for name, line in sorted(known.items())
    ]


def write(lines: Iterable[Mapping[str, str]], output: Path) -> None:
    """Write a table in one step: who reads `output` meanwhile sees the old one or the new one, whole."""
    beside = output.with_name(f".{output.name}.new")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    beside.replace(output)
