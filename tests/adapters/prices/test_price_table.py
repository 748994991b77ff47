from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.prices.price_table import PriceTable, region_of
from contracts.errors import ConfigurationInvalid, PriceUnknown
from contracts.observation import Accelerator, NodePoolObservation
from tests.contracts.samples import observation

HEADER = "sku_kind,name,region,gpu_count,usd_per_hour,usd_per_hour_spot,source,as_of\n"
OWN = (
    HEADER
    + "instance,n1-standard-8,europe-west4,0,0.40,0.10,list,2026-11-01\n"
    + "accelerator,nvidia-tesla-t4,europe-west4,1,0.35,,list of GPUs,2026-10-01\n"
)


def pool(machine_type: str, *accelerators: tuple[str, int], spot: bool = False) -> NodePoolObservation:
    attached = tuple(Accelerator(type=kind, count=count) for kind, count in accelerators)
    return observation().model_copy(
        update={"machine_type": machine_type, "accelerators": attached, "spot": spot}
    )


def table(tmp_path: Path, content: str) -> PriceTable:
    path = tmp_path / "prices.csv"
    path.write_text(content)
    return PriceTable.load(path)


@pytest.mark.parametrize(
    ("location", "machine_type", "spot", "per_hour"),
    [
        ("europe-west4", "g2-standard-8", False, "0.897201806"),
        ("europe-west4-b", "g2-standard-8", False, "0.897201806"),
        ("us-central1", "e2-standard-4", False, "0.13402284"),
        ("us-central1-f", "e2-standard-4", True, "0.053584"),
    ],
)
def test_the_shipped_table_knows_regions_and_their_zones(
    location: str, machine_type: str, spot: bool, per_hour: str
) -> None:
    price = PriceTable.load().node_price(location, pool(machine_type, spot=spot))
    assert price.per_hour == Decimal(per_hour)
    assert (price.currency, price.as_of) == ("USD", date(2025, 3, 6))
    assert "Apache-2.0" in price.source


def test_gpus_that_the_machine_type_brings_along_are_in_its_price() -> None:
    prices = PriceTable.load()
    bare = prices.node_price("europe-west4", pool("a2-highgpu-1g"))
    named = prices.node_price("europe-west4", pool("a2-highgpu-1g", ("nvidia-tesla-a100", 1)))
    assert bare == named


def test_attached_gpus_are_added_and_the_older_date_counts(tmp_path: Path) -> None:
    price = table(tmp_path, OWN).node_price("europe-west4-a", pool("n1-standard-8", ("nvidia-tesla-t4", 2)))
    assert price.per_hour == Decimal("1.10")
    assert price.as_of == date(2026, 10, 1)
    assert price.source == "list; list of GPUs"


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        ("europe-west4", pool("z9-mega")),
        ("europe-west4", pool("custom-8-16384")),
        ("mars-north1", pool("g2-standard-8")),
        ("europe-west4", pool("n1-standard-8", ("nvidia-tesla-v100", 1))),
        ("europe-west4", pool("n1-standard-8", ("nvidia-tesla-t4", 1), spot=True)),
        ("", pool("n1-standard-8")),
    ],
)
def test_what_the_table_does_not_know_is_an_error_and_never_free(
    tmp_path: Path, location: str, seen: NodePoolObservation
) -> None:
    with pytest.raises(PriceUnknown):
        table(tmp_path, OWN).node_price(location, seen)


def test_another_number_of_gpus_than_the_type_has_is_not_guessed() -> None:
    with pytest.raises(PriceUnknown):
        PriceTable.load().node_price("europe-west4", pool("a2-highgpu-2g", ("nvidia-tesla-a100", 1)))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (OWN + "instance,x,y,0,-1,,list,2026-11-01\n", ":4:"),
        (OWN + "instance,x,y,0,0,,list,2026-11-01\n", ":4:"),
        (OWN + "instance,x,y,0,NaN,,list,2026-11-01\n", ":4:"),
        (OWN + "instance,x,y,0,1,,list,yesterday\n", ":4:"),
        (OWN + "instance,x,y\n", ":4:"),
        (OWN + "instance,n1-standard-8,europe-west4,0,1,,list,2026-11-01\n", "priced twice"),
        ("sku_kind,name\ninstance,x\n", ":2:"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, content: str, named: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        table(tmp_path, content)
    assert named in str(refused.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        PriceTable.load(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("location", "region"),
    [("europe-west4", "europe-west4"), ("europe-west4-a", "europe-west4"), ("us-central1-f", "us-central1")],
)
def test_a_zone_lies_in_its_region(location: str, region: str) -> None:
    assert region_of(location) == region
