"""The price list that the operator declares: which table, which kind of price, and when it is old."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.live_configuration import LiveConfiguration
from adapters.prices.configured import ConfiguredPrices
from contracts.configuration import Prices
from contracts.errors import ConfigurationInvalid, PriceUnknown
from contracts.money import PriceKind
from tests.adapters.prices.test_price_table import HEADER, OWN, pool

COMMITMENT = {"family": "n1", "region": "europe-west4", "discount": "0.25"}
BARE = "environments: {production: {}}\n"


def prices(tmp_path: Path, content: str = OWN, **declared: object) -> ConfiguredPrices:
    (tmp_path / "own.csv").write_text(content)
    return ConfiguredPrices(Prices.model_validate({"table": "own.csv", **declared}), tmp_path)


def test_the_table_that_ships_counts_unless_another_is_named(tmp_path: Path) -> None:
    found = ConfiguredPrices(Prices(), tmp_path).node_price("europe-west4", pool("g2-standard-8"))
    assert (found.per_hour, found.kind) == (Decimal("0.897201806"), PriceKind.LIST)


def test_spot_nodes_have_the_spot_price_and_no_discount(tmp_path: Path) -> None:
    found = prices(tmp_path, committed_use=[COMMITMENT]).node_price(
        "europe-west4", pool("n1-standard-8", spot=True)
    )
    assert (found.per_hour, found.kind) == (Decimal("0.10"), PriceKind.SPOT)


def test_spot_without_a_spot_price_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(PriceUnknown):
        prices(tmp_path).node_price("europe-west4", pool("n1-standard-8", ("nvidia-tesla-t4", 1), spot=True))


def test_a_commitment_takes_its_discount_off_the_machine_and_not_off_attached_gpus(tmp_path: Path) -> None:
    found = prices(tmp_path, committed_use=[COMMITMENT]).node_price(
        "europe-west4", pool("n1-standard-8", ("nvidia-tesla-t4", 2))
    )
    assert (found.per_hour, found.kind) == (
        Decimal("0.40") * Decimal("0.75") + Decimal("0.70"),
        "committed_use",
    )


def test_a_discounted_price_has_no_more_decimals_than_the_ledger_keeps(tmp_path: Path) -> None:
    content = HEADER + "instance,n1-standard-8,europe-west4,0,3.934354926,,list,2026-11-01\n"
    found = prices(tmp_path, content, committed_use=[COMMITMENT | {"discount": "0.37"}]).node_price(
        "europe-west4", pool("n1-standard-8")
    )
    assert found.per_hour == Decimal("2.4786436034")


@pytest.mark.parametrize("other", [{"family": "n2"}, {"region": "us-central1"}], ids=["family", "region"])
def test_a_commitment_for_another_family_or_region_changes_nothing(
    tmp_path: Path, other: dict[str, str]
) -> None:
    found = prices(tmp_path, committed_use=[COMMITMENT | other]).node_price(
        "europe-west4", pool("n1-standard-8")
    )
    assert (found.per_hour, found.kind) == (Decimal("0.40"), PriceKind.LIST)


def test_from_what_age_prices_are_old_is_declared(tmp_path: Path) -> None:
    found = prices(tmp_path, stale_after="7d").node_price("europe-west4", pool("n1-standard-8"))
    assert found.stale_after == timedelta(days=7)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no price"),
        (HEADER, "holds no price"),
        (OWN + "instance,,europe-west4,0,1,,list,2026-01-01\n", "own.csv:4: not a price row"),
        (OWN + "instance,n2-standard-2,europe-west4,0,1,,,2026-01-01\n", "own.csv:4: not a price row"),
        (OWN + "instance,n2-standard-2,europe-west4,-1,1,,list,2026-01-01\n", "own.csv:4: not a price row"),
        (OWN + "instance,n2-standard-2,europe-west4,0,0,,list,2026-01-01\n", "own.csv:4: not a price row"),
        (OWN + "instance,n2-standard-2,europe-w", "own.csv:4: not a price row"),
    ],
    ids=["empty", "no rows", "no name", "no source", "negative GPUs", "free", "cut off"],
)
def test_a_wrong_table_is_refused_with_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=message):
        prices(tmp_path, content)


@pytest.mark.parametrize(
    "declared",
    [
        {"stale_after": "0s"},
        {"table": ""},
        {"committed_use": [{"family": "n1", "region": "europe-west4", "discount": 0}]},
        {"committed_use": [{"family": "n1", "region": "europe-west4", "discount": 1}]},
        {"committed_use": [{"family": "n1-standard", "region": "europe-west4", "discount": "0.1"}]},
        {"committed_use": [{"family": "n1", "region": "europe-west4-a", "discount": "0.1"}]},
        {"committed_use": [COMMITMENT, COMMITMENT]},
    ],
    ids=["no age", "blank table", "no discount", "for nothing", "a machine type", "a zone", "twice"],
)
def test_what_is_no_declaration_of_prices_is_refused(declared: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Prices.model_validate(declared)


async def test_a_table_that_was_replaced_is_taken_up_and_a_wrong_one_keeps_the_change_out(
    tmp_path: Path,
) -> None:
    file, table = tmp_path / "sluice.yaml", tmp_path / "own.csv"
    table.write_text(OWN)
    file.write_text(BARE + "prices: {table: own.csv}\n")
    live = LiveConfiguration(file, "worker")
    found = ConfiguredPrices(live.current.prices, live.directory)
    live.adopt(found.adopt)

    async def per_hour(content: str) -> Decimal:
        table.with_name("next.csv").write_text(content)
        table.with_name("next.csv").rename(table)
        while await live.look():
            pass
        return found.node_price("europe-west4", pool("n1-standard-8")).per_hour

    assert await per_hour(OWN.replace("0.40", "0.50")) == Decimal("0.50")
    assert await per_hour(OWN.replace("0.40", "free")) == Decimal("0.50")
    assert live.refused is not None
    assert live.refused.faults[0].reason == "own.csv:2: not a price row"
    assert await per_hour(OWN.replace("0.40", "0.60")) == Decimal("0.60")
