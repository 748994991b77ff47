"""The price list that the operator declares: a table, discounts, and from what age prices are old."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adapters.prices.price_table import SHIPPED, PriceTable
from contracts.configuration import Configuration
from contracts.configuration.prices import Prices
from contracts.observation import NodePoolObservation
from contracts.ports import NodePrice


class ConfiguredPrices:
    """A `PriceList` that follows the configuration. One question never sees two tables."""

    def __init__(self, prices: Prices, directory: Path) -> None:
        """Read the table. A relative path counts from `directory`, where the configuration is.

        Raises:
            ConfigurationInvalid: the table cannot be read, or a row is wrong; file and line are named.
        """
        self._directory = directory
        self._in_force = (self._table(prices), prices)

    def adopt(self, configuration: Configuration) -> Callable[[], None]:
        """Read the table of another configuration; what is returned puts it in force.

        Raises:
            ConfigurationInvalid: as for making one.
        """
        found = (self._table(configuration.prices), configuration.prices)

        def put_in_force() -> None:
            self._in_force = found

        return put_in_force

    def node_price(self, location: str, observation: NodePoolObservation) -> NodePrice:
        """Return the price of one node of this pool, in USD per hour, with discounts.

        Raises:
            PriceUnknown: no price for the machine type or an accelerator in this region.
        """
        table, prices = self._in_force
        found = table.node_price(location, observation, discount=prices.discount)
        return found.model_copy(update={"stale_after": prices.stale_after})

    def _table(self, prices: Prices) -> PriceTable:
        return PriceTable.load(self._directory / prices.table if prices.table else SHIPPED)
