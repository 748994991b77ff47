"""Programs that Sluice needs and does not write: finding, fetching and building them, and `make setup`."""
