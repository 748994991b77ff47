"""The local stack of `sluice up`: every part of Sluice on one machine, as supervised child processes."""
