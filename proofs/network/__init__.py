"""Faults of the network between Sluice and each of what it depends on, made by toxiproxy."""
