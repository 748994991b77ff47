"""List prices from a table that is data: a row per machine type or accelerator and region, with source and date.

The price of a node is that of its machine type, plus the GPUs attached to it where the type brings none along. Disks,
and network are not in it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from contracts.errors import ConfigurationInvalid, PriceUnknown
from contracts.money import PriceKind, kept
from contracts.observation import NodePoolObservation
from contracts.ports import NodePrice

SHIPPED = Path(__file__).with_name("gcp_list_prices.csv")
CURRENCY = "USD"

_ZONE = re.compile(r"^(?P<region>[a-z]+-[a-z]+[0-9]{1,2})-[a-z]$")
_PRICED = frozenset({"instance", "accelerator"})


Discount = Callable[[str, str], Decimal]
"""Machine type, region → the share of its list price that is not paid."""


def _no_discount(_: str, __: str) -> Decimal:
    return Decimal(0)


@dataclass(frozen=True, slots=True)
class _Row:
    per_hour: Decimal | None
    per_hour_spot: Decimal | None
    gpu_count: int
    source: str
    as_of: date

    def price(self, *, spot: bool) -> Decimal | None:
        return self.per_hour_spot if spot else self.per_hour


class PriceTable:
    """A `PriceList` over a CSV file."""

    def __init__(self, rows: Mapping[tuple[str, str, str], _Row]) -> None:
        """Use `load`."""
        self._rows = dict(rows)

    @classmethod
    def load(cls, path: Path = SHIPPED) -> PriceTable:
        """Read a table: columns sku_kind, name, region, gpu_count, usd_per_hour, usd_per_hour_spot, source, as_of.

        Rows of other kinds than `instance` and `accelerator` are left out.

        Raises:
            ConfigurationInvalid: the file cannot be read, or a row is wrong; file and line are named.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return cls(_rows(path.name, csv.DictReader(file)))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigurationInvalid(f"{path}: cannot be read") from error

    def node_price(
        self, location: str, observation: NodePoolObservation, *, discount: Discount = _no_discount
    ) -> NodePrice:
        """Return the price of one node of this pool, in USD per hour: a Spot price where its nodes are Spot.

        `discount` is taken off the machine's list price.

        Raises:
            PriceUnknown: no price for the machine type or an accelerator in this region.
        """
        region = region_of(location)
        machine = self._row("instance", observation.machine_type, region)
        per_hour = _known(machine.price(spot=observation.spot), observation.machine_type, region)
        off = Decimal(0) if observation.spot else discount(observation.machine_type, region)
        per_hour *= 1 - off
        sources, as_of = [machine.source], machine.as_of
        attached = sum(accelerator.count for accelerator in observation.accelerators)
        if machine.gpu_count and attached not in (0, machine.gpu_count):
            raise PriceUnknown(f"{observation.machine_type} brings {machine.gpu_count} GPUs, not {attached}")
        if not machine.gpu_count:
            for accelerator in observation.accelerators:
                row = self._row("accelerator", accelerator.type, region)
                each = _known(row.price(spot=observation.spot), accelerator.type, region)
                per_hour += each * accelerator.count
                sources.append(row.source)
                as_of = min(as_of, row.as_of)
        source = "; ".join(dict.fromkeys(sources))
        kind = PriceKind.SPOT if observation.spot else PriceKind.COMMITTED_USE if off else PriceKind.LIST
        return NodePrice(per_hour=kept(per_hour), currency=CURRENCY, source=source, as_of=as_of, kind=kind)

    def listed(self) -> list[dict[str, str]]:
        """Return every price as text, in the order of the table; blank where there is none in that form."""
        return [
            {
                "kind": kind,
                "name": name,
                "region": region,
                "usd_per_hour": "" if row.per_hour is None else f"{row.per_hour:f}",
                "usd_per_hour_spot": "" if row.per_hour_spot is None else f"{row.per_hour_spot:f}",
                "as_of": row.as_of.isoformat(),
                "source": row.source,
            }
            for (kind, name, region), row in self._rows.items()
        ]

    def _row(self, kind: str, name: str, region: str) -> _Row:
        row = self._rows.get((kind, name, region))
        if row is None:
            raise PriceUnknown(f"no price for {name} in {region}")
        return row


def region_of(location: str) -> str:
    """Return the region of a region or zone: `europe-west4-a` lies in `europe-west4`."""
    zone = _ZONE.match(location)
    return zone["region"] if zone else location


def _known(price: Decimal | None, name: str, region: str) -> Decimal:
    if price is None:
        raise PriceUnknown(f"no price for {name} in {region} in this form")
    return price


def _rows(name: str, lines: csv.DictReader[str]) -> dict[tuple[str, str, str], _Row]:
    rows: dict[tuple[str, str, str], _Row] = {}
    for line in _priced(lines):
        try:
            row = _Row(
                per_hour=_money(line["usd_per_hour"]),
                per_hour_spot=_money(line["usd_per_hour_spot"]),
                gpu_count=_count(line["gpu_count"]),
                source=_said(line["source"]),
                as_of=date.fromisoformat(line["as_of"]),
            )
            key = (line["sku_kind"], _said(line["name"]), _said(line["region"]))
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise ConfigurationInvalid(f"{name}:{lines.line_num}: not a price row") from error
        if key in rows:
            raise ConfigurationInvalid(f"{name}:{lines.line_num}: {key[1]} in {key[2]} is priced twice")
        rows[key] = row
    if not rows:
        raise ConfigurationInvalid(f"{name}:{lines.line_num}: holds no price")
    return rows


def _priced(lines: Iterable[dict[str, str]]) -> Iterable[dict[str, str]]:
    return (line for line in lines if line.get("sku_kind") in _PRICED)


def _said(text: str | None) -> str:
    if text is None or not text.strip():
        raise ValueError("blank")
    return text


def _count(text: str) -> int:
    count = int(text or 0)
    if count < 0:
        raise ValueError(text)
    return count


def _money(text: str) -> Decimal | None:
    if not text:
        return None
    amount = Decimal(text)
    if not amount.is_finite() or amount <= 0:
        raise ValueError(text)
    return amount
