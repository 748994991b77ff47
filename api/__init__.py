"""HTTP in and out: the one door through which people and programs speak to Sluice."""
