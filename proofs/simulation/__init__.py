"""The path in one process under a virtual clock, with a scheduler that is out to break it: `make proof-simulation`."""
